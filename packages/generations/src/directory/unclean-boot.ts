import { readBootId } from '@holdfast/base/boot-clock'
import { SnapshotLog } from '../volume/snapshot-log.ts'
import type { DurableDirectory } from './durable-directory.ts'

/**
 * True if the machine went down while a directory's own volume was in use, and no commit has read all of it since. The
 * next commit reads every file. A live directory has no volume of ours: its file system answers for it.
 */
export function isAfterUncleanBoot({ config, folder }: Pick<DurableDirectory, 'config' | 'folder'>): boolean {
  return config.volume === 'btrfs' && new SnapshotLog(folder).isDoubtedAfter(readBootId())
}

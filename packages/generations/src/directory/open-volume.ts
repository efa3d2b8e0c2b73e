import { BtrfsVolume } from '../volume/btrfs-volume.ts'
import { LiveVolume } from '../volume/live-volume.ts'
import type { Volume } from '../volume/volume.ts'
import type { DurableDirectory } from './durable-directory.ts'

/** The volume that a directory was begun with. Rejects as `BtrfsVolume.open` does. */
export async function openVolume(directory: DurableDirectory): Promise<Volume> {
  const { deps, config, folder } = directory
  const { workspace, path, volume } = config
  switch (volume) {
    case 'live':
      return new LiveVolume(deps, path)
    case 'btrfs':
      return BtrfsVolume.open(deps, { home: deps.home.path, workspace, path, state: folder })
  }
}

/** What only a subvolume can do; undefined for a volume of another kind. */
export function asBtrfs(volume: Volume): BtrfsVolume | undefined {
  return volume instanceof BtrfsVolume ? volume : undefined
}

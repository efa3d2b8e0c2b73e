import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { outputOf } from '../measure.ts'
import type { BackupPeer } from './backup-peer.ts'
import { syncedCommand } from './synced-command.ts'

/** A plain copy: no versions, no compression, hard links lost. */
export const rsync: BackupPeer = {
  name: 'rsync',
  aptPackage: 'rsync',
  version: async () => (await outputOf('rsync', '--version'))?.split('\n')[0],
  async open(folder) {
    const path = join(folder, 'copy')
    mkdirSync(path)
    return {
      path,
      commit: (source) =>
        syncedCommand(folder, { file: 'rsync', args: ['-a', '--delete', `${source}/`, `${path}/`] }),
      restore: (target) => syncedCommand(target, { file: 'rsync', args: ['-a', `${path}/`, `${target}/`] }),
    }
  },
}

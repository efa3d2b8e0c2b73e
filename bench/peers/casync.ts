import { join } from 'node:path'
import { outputOf } from '../measure.ts'
import type { BackupPeer } from './backup-peer.ts'
import { syncedCommand } from './synced-command.ts'

export const casync: BackupPeer = {
  name: 'casync',
  aptPackage: 'casync',
  version: async () => (await outputOf('casync', '--version'))?.split('\n')[0],
  async open(folder) {
    const path = join(folder, 'store')
    const index = join(folder, 'tree.caidx')
    const store = `--store=${path}`
    return {
      path,
      commit: (source) =>
        syncedCommand(folder, { file: 'casync', args: ['make', store, index, source], cwd: folder }),
      restore: (target) =>
        syncedCommand(target, { file: 'casync', args: ['extract', store, index, target], cwd: folder }),
    }
  },
}

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { outputOf } from '../measure.ts'
import type { BackupPeer } from './backup-peer.ts'
import { syncedCommand } from './synced-command.ts'

const PACK = 'tar -C "$1" -cf - . | zstd -3 -T2 -q -f -o "$2"'
const UNPACK = 'zstd -dcq "$1" | tar -C "$2" -xf -'

/** The floor for a first commit and a restore: one stream, nothing found again, nothing proven. */
export const tarZstd: BackupPeer = {
  name: 'tar|zstd',
  aptPackage: 'zstd',
  version: () => outputOf('zstd', '--version'),
  async open(folder) {
    const path = join(folder, 'archive')
    mkdirSync(path)
    const archive = join(path, 'tree.tar.zst')
    return {
      path,
      commit: (source) => syncedCommand(folder, { file: 'sh', args: ['-c', PACK, 'sh', source, archive] }),
      restore: (target) => syncedCommand(target, { file: 'sh', args: ['-c', UNPACK, 'sh', archive, target] }),
    }
  },
}

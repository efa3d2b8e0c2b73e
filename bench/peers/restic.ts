import { join } from 'node:path'
import { outputOf, run } from '../measure.ts'
import type { BackupPeer } from './backup-peer.ts'
import { syncedCommand } from './synced-command.ts'

/** With its default compression; its encryption cannot be turned off. */
export const restic: BackupPeer = {
  name: 'restic',
  aptPackage: 'restic',
  version: () => outputOf('restic', 'version'),
  async open(folder) {
    const path = join(folder, 'repository')
    const env = { RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(folder, 'cache'), RESTIC_REPOSITORY: path }
    await run({ file: 'restic', args: ['init', '--quiet'], env })
    return {
      path,
      commit: (source) => {
        const args = ['backup', '--quiet', '.']
        return syncedCommand(folder, { file: 'restic', args, env, cwd: source })
      },
      restore: (target) =>
        syncedCommand(target, {
          file: 'restic',
          args: ['restore', 'latest', '--quiet', '--target', target],
          env,
        }),
    }
  },
}

import { join } from 'node:path'
import { outputOf, run } from '../measure.ts'
import type { BackupPeer } from './backup-peer.ts'
import { syncedCommand } from './synced-command.ts'

/** Without encryption, compressing with zstd level 3. */
export const borg: BackupPeer = {
  name: 'borg',
  aptPackage: 'borgbackup',
  version: () => outputOf('borg', '--version'),
  async open(folder) {
    const path = join(folder, 'repository')
    const env = { BORG_BASE_DIR: join(folder, 'base'), BORG_REPO: path }
    await run({ file: 'borg', args: ['init', '-e', 'none'], env })
    let archive = 0
    return {
      path,
      commit: (source) => {
        archive++
        const args = ['create', '-C', 'zstd,3', `::a${archive}`, '.']
        return syncedCommand(folder, { file: 'borg', args, env, cwd: source })
      },
      restore: (target) =>
        syncedCommand(target, { file: 'borg', args: ['extract', `::a${archive}`], env, cwd: target }),
    }
  },
}

import { type CommandRow, loadCommands } from '../choose-commands.ts'
import type { CommandSpec } from '../command.ts'

/** Every command, in the order in which help lists them. */
export const COMMAND_ROWS: readonly CommandRow[] = [
  { words: 'up', load: async () => (await import('./up.ts')).upCommand },
  { words: 'server', load: async () => (await import('./server.ts')).serverCommand },
  { words: 'create', load: async () => (await import('./workspace/create.ts')).createCommand },
  { words: 'exec', load: async () => (await import('./workspace/exec.ts')).execCommand },
  { words: 'ls', load: async () => (await import('./workspace/list.ts')).listCommand },
  { words: 'ps', load: async () => (await import('./workspace/list.ts')).listCommand },
  { words: 'stop', load: async () => (await import('./workspace/lifecycle.ts')).stopCommand },
  { words: 'resume', load: async () => (await import('./workspace/lifecycle.ts')).resumeCommand },
  { words: 'restart', load: async () => (await import('./workspace/lifecycle.ts')).restartCommand },
  { words: 'archive', load: async () => (await import('./workspace/lifecycle.ts')).archiveCommand },
  { words: 'unarchive', load: async () => (await import('./workspace/lifecycle.ts')).unarchiveCommand },
  { words: 'dir init', load: async () => (await import('./dir/init.ts')).initCommand },
  { words: 'dir commit', load: async () => (await import('./dir/commit.ts')).commitCommand },
  { words: 'dir watch', load: async () => (await import('./dir/watch.ts')).watchCommand },
  { words: 'dir sync', load: async () => (await import('./dir/sync.ts')).syncCommand },
  { words: 'dir status', load: async () => (await import('./dir/status.ts')).statusCommand },
  { words: 'dir history', load: async () => (await import('./dir/history.ts')).historyCommand },
  { words: 'dir show', load: async () => (await import('./dir/show.ts')).showCommand },
  { words: 'dir ls', load: async () => (await import('./dir/ls.ts')).lsCommand },
  { words: 'dir cat', load: async () => (await import('./dir/cat.ts')).catCommand },
  { words: 'dir diff', load: async () => (await import('./dir/diff.ts')).diffCommand },
  { words: 'dir restore', load: async () => (await import('./dir/restore.ts')).restoreCommand },
  { words: 'dir fork', load: async () => (await import('./dir/fork.ts')).forkCommand },
  { words: 'dir rollback', load: async () => (await import('./dir/rollback.ts')).rollbackCommand },
  { words: 'dir verify', load: async () => (await import('./dir/verify.ts')).verifyCommand },
  { words: 'dir drill', load: async () => (await import('./dir/drill.ts')).drillCommand },
  { words: 'dir gc', load: async () => (await import('./dir/gc.ts')).gcCommand },
  { words: 'dir rebuild', load: async () => (await import('./dir/rebuild.ts')).rebuildCommand },
  { words: 'dir export', load: async () => (await import('./dir/export.ts')).exportCommand },
  { words: 'dir import', load: async () => (await import('./dir/import.ts')).importCommand },
  { words: 'dir forget', load: async () => (await import('./dir/forget.ts')).forgetCommand },
  { words: 'doctor', load: async () => (await import('./doctor.ts')).doctorCommand },
  { words: 'config', load: async () => (await import('./config.ts')).configCommand },
  { words: 'completion', load: async () => (await import('./completion.ts')).completionCommand(allCommands) },
  { words: 'version', load: async () => (await import('./version.ts')).versionCommand },
]

export async function allCommands(): Promise<readonly CommandSpec[]> {
  return await loadCommands(COMMAND_ROWS)
}

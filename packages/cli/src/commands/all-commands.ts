import type { CommandSpec } from '../command.ts'
import { completionCommand } from './completion.ts'
import { configCommand } from './config.ts'
import { catCommand } from './dir/cat.ts'
import { commitCommand } from './dir/commit.ts'
import { diffCommand } from './dir/diff.ts'
import { drillCommand } from './dir/drill.ts'
import { exportCommand } from './dir/export.ts'
import { forgetCommand } from './dir/forget.ts'
import { forkCommand } from './dir/fork.ts'
import { gcCommand } from './dir/gc.ts'
import { historyCommand } from './dir/history.ts'
import { importCommand } from './dir/import.ts'
import { initCommand } from './dir/init.ts'
import { lsCommand } from './dir/ls.ts'
import { rebuildCommand } from './dir/rebuild.ts'
import { restoreCommand } from './dir/restore.ts'
import { rollbackCommand } from './dir/rollback.ts'
import { showCommand } from './dir/show.ts'
import { statusCommand } from './dir/status.ts'
import { syncCommand } from './dir/sync.ts'
import { verifyCommand } from './dir/verify.ts'
import { watchCommand } from './dir/watch.ts'
import { doctorCommand } from './doctor.ts'
import { versionCommand } from './version.ts'

/** Every command, in the order in which help lists them. */
export const COMMANDS: readonly CommandSpec[] = [
  initCommand,
  commitCommand,
  watchCommand,
  syncCommand,
  statusCommand,
  historyCommand,
  showCommand,
  lsCommand,
  catCommand,
  diffCommand,
  restoreCommand,
  forkCommand,
  rollbackCommand,
  verifyCommand,
  drillCommand,
  gcCommand,
  rebuildCommand,
  exportCommand,
  importCommand,
  forgetCommand,
  doctorCommand,
  configCommand,
  completionCommand(() => COMMANDS),
  versionCommand,
]

import { constants } from 'node:os'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { isAfterUncleanBoot } from '@holdfast/generations/directory/unclean-boot'
import {
  type DirectoryWatch,
  type WatchEnd,
  watchDirectory,
} from '@holdfast/generations/directory/watch-directory'
import { stopOnSignals } from '@holdfast/generations/directory/watch-signals'
import type { CommandSpec, Given } from '../../command.ts'
import { EXIT, exitCodeOf } from '../../exit-codes.ts'
import type { Context } from '../../open-context.ts'
import { parseDurationMs } from '../../parameters.ts'
import { DIR } from './parameters-of-dir.ts'
import { DOUBT } from './status.ts'
import { WatchReport } from './watch-report.ts'

const EVERY_DEFAULT = '1s'
const EVERY_BOUNDS = { minMs: 10, maxMs: 24 * 3600 * 1000 }

export const watchCommand: CommandSpec = {
  path: ['dir', 'watch'],
  summary: 'Commit a directory again and again while a command, or anybody, writes it',
  notes:
    'With a command, everything it starts is frozen for some milliseconds at each generation, so that all databases ' +
    'and files in it are of one instant. Ends with the exit code of the command, after a last commit; without a ' +
    'command, at Ctrl-C. With -o json the standard output is one JSON document a line, and that of the command goes ' +
    'to the standard error. Beside its commits the watch thins the history, merges packs, removes garbage, and once a ' +
    'day restores the newest generation to verify it; `hold dir status` tells how that goes.',
  arguments: [
    DIR,
    { name: 'CMD', presence: 'rest', about: 'behind --: the command that writes the directory' },
  ],
  options: [
    { flags: '--every <DURATION>', about: 'how often to look for changes', otherwise: EVERY_DEFAULT },
    { flags: '--cgroup <PATH>', about: 'freeze this cgroup, which holds the writers already' },
  ],
  examples: [
    { line: 'dir watch ./project -- python3 agent.py', shows: 'run a program and keep what it writes' },
    { line: 'dir watch ./project --every 5s', shows: 'keep what anybody writes, until Ctrl-C' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'reading')
    if (isAfterUncleanBoot(directory)) context.output.note(`hold: the volume was ${DOUBT}`)
    await using watch = await start(context, given)
    using _signals = stopOnSignals(watch, context.signals, context.onTerminal)
    context.output.onReaderGone = () => watch.stop()
    const end = await follow(context, watch, directory)
    return exitCodeAfter(context, end)
  },
}

async function start(context: Context, given: Given): Promise<DirectoryWatch> {
  const command = given.rest('CMD')
  const cgroup = given.option('cgroup')
  const stdio = context.output.mode === 'json' ? (['inherit', 2, 2] as const) : 'inherit'
  return await watchDirectory(await context.deps('writing'), {
    path: given.argument('DIR'),
    everyMs: parseDurationMs('--every', given.option('every') ?? EVERY_DEFAULT, EVERY_BOUNDS),
    ...(command.length > 0
      ? { command: { command, stdio: typeof stdio === 'string' ? stdio : [...stdio] } }
      : {}),
    ...(cgroup === undefined ? {} : { cgroup }),
  })
}

/** Reports what happens until the watch has ended. */
async function follow(
  context: Context,
  watch: DirectoryWatch,
  directory: DurableDirectory,
): Promise<WatchEnd> {
  const report = new WatchReport(context, directory)
  let hasEnded = false
  const end = watch.ended.finally(() => {
    hasEnded = true
  })
  await report.begin(watch.status())
  while (!hasEnded) {
    await report.look(watch.status())
    await Promise.race([watch.news(), end])
  }
  const outcome = await end
  await report.look(watch.status())
  await report.end(outcome)
  return outcome
}

/** The command's own code; a failure of ours where the command ended well. */
function exitCodeAfter(context: Context, { command, failure }: WatchEnd): number {
  if (failure) context.output.showFailure(failure)
  const code =
    command === null ? EXIT.ok : (command.code ?? 128 + constants.signals[command.signal ?? 'SIGTERM'])
  return code === EXIT.ok && failure ? exitCodeOf(failure) : code
}

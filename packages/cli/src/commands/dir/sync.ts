import { Failure } from '@holdfast/base/failure'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { formatDuration } from '../../output/quantities.ts'
import { parseDurationMs } from '../../parameters.ts'
import { byText, commit, showCommit, type TimedCommit } from './commit.ts'
import { generationName } from './generation-forms.ts'
import { DIR } from './parameters-of-dir.ts'

const TIMEOUT_BOUNDS = { minMs: 1, maxMs: 24 * 3600 * 1000 }

export const syncCommand: CommandSpec = {
  path: ['dir', 'sync'],
  summary: 'Wait until everything written so far is durable',
  notes:
    'Asks the watch of the directory, or commits by itself where none runs. Exit code 0 means: what was written ' +
    'before the call survives the loss of this machine if the store does. 124 means: not known yet, ask again.',
  arguments: [DIR],
  options: [
    { flags: '--timeout <DURATION>', about: 'wait at most so long (500ms, 30s, 10m)', otherwise: 'no limit' },
  ],
  examples: [
    { line: 'dir sync ./project', shows: 'before telling anybody that the work is done' },
    { line: 'dir sync ./project --timeout 30s -o json', shows: 'in a script' },
  ],
  async run(context, given) {
    const timeout = given.option('timeout')
    const done = commit(context, given.argument('DIR'), { kind: 'sync' })
    const limited =
      timeout === undefined
        ? done
        : within(context, done, parseDurationMs('--timeout', timeout, TIMEOUT_BOUNDS))
    await showCommit(context, await limited, durableText)
    return undefined
  },
}

function durableText(made: TimedCommit): string {
  const name = generationName({ id: made.generation, sequence: made.sequence })
  return `Durable: ${name} holds all that was written (${formatDuration(made.elapsedMs)}${byText(made)})\n`
}

/** Rejects with `outcome-unknown` when the time is over; the commit may still be made. */
async function within(context: Context, done: Promise<TimedCommit>, timeoutMs: number): Promise<TimedCommit> {
  const ended = new AbortController()
  const late = context.clock.sleep(timeoutMs, ended.signal).then(() => {
    throw new Failure('outcome-unknown', `not durable after ${formatDuration(timeoutMs)}`, { timeoutMs })
  })
  try {
    return await Promise.race([done, late])
  } finally {
    ended.abort()
    late.catch(() => {})
    done.catch(() => {})
  }
}

import { commitDirectory, type DirectoryCommit } from '@holdfast/generations/directory/commit-directory'
import type { CommitWish } from '@holdfast/generations/directory/watch-requests'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { printable } from '../../output/printable.ts'
import type { ProgressState } from '../../output/progress.ts'
import { counted, formatBytes, formatDuration } from '../../output/quantities.ts'
import { generationName } from './generation-forms.ts'
import { DIR } from './parameters-of-dir.ts'

export const commitCommand: CommandSpec = {
  path: ['dir', 'commit'],
  summary: 'Commit a directory as a new generation',
  notes:
    'Does nothing when nothing has changed. While a watch runs, the watch makes the commit, as one cut. ' +
    'A checkpoint is made in any case, and retention keeps it. Every 64 commits or so it also thins the history and ' +
    'merges packs, as a watch does; what is then garbage goes with `hold dir gc`.',
  arguments: [DIR],
  options: [
    { flags: '-m, --message <TEXT>', about: 'name it: a generation with a name is a checkpoint' },
    { flags: '--checkpoint', about: 'make it a checkpoint without a name' },
  ],
  examples: [
    { line: 'dir commit ./project', shows: 'keep what is there now' },
    { line: "dir commit ./project -m 'before the upgrade'", shows: 'a checkpoint to come back to' },
  ],
  async run(context, given) {
    const message = given.option('message')
    const isCheckpoint = message !== undefined || given.has('checkpoint')
    const wish: CommitWish = isCheckpoint ? { kind: 'checkpoint', message: message ?? '' } : { kind: 'sync' }
    await showCommit(context, await commit(context, given.argument('DIR'), wish), commitText)
    return undefined
  },
}

export interface TimedCommit extends DirectoryCommit {
  readonly elapsedMs: number
}

/** Commits, showing what has been stored so far. */
export async function commit(context: Context, path: string, wish: CommitWish): Promise<TimedCommit> {
  const deps = await context.deps('writing')
  let state: ProgressState = {}
  const onProgress = (progress: ProgressState) => {
    state = progress
  }
  const { result, elapsedMs } = await context.timed(
    'committing',
    () => state,
    () => commitDirectory(deps, { path, wish, onProgress }),
  )
  if (result.untidied)
    context.output.note(`hold: committed, but packs were not merged: ${printable(result.untidied.message)}`)
  return { ...result, elapsedMs }
}

export async function showCommit(
  context: Context,
  made: TimedCommit,
  text: (made: TimedCommit) => string,
): Promise<void> {
  await context.output.show({
    text: () => text(made),
    json: () => made,
    ids: () => [made.generation],
  })
}

function commitText(made: TimedCommit): string {
  const name = generationName({ id: made.generation, sequence: made.sequence })
  const took = `in ${formatDuration(made.elapsedMs)}${byText(made)}`
  if (made.kind === 'unchanged') return `Nothing has changed since ${name}: it holds everything (${took})\n`
  const stored = `${formatBytes(made.newBytes)} in ${counted(made.newObjects, 'new object')}`
  return `Committed ${name}: ${stored}, ${took}\n`
}

/** Who made the commit, where it was not this process. */
export function byText({ by }: TimedCommit): string {
  return by === 'watcher' ? ' by the watch that runs' : ''
}

import { Failure } from '@holdfast/base/failure'
import type { Workspace } from '@holdfast/client/workspace'
import type { CommandSpec, Given, OptionSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { documentOf } from '../../output/document.ts'
import { parseDurationMs } from '../../parameters.ts'
import { NAMES } from './parameters-of-workspaces.ts'
import { nameOf } from './workspace-forms.ts'

/** One thing that is done with each of several workspaces. */
interface Change {
  readonly word: string
  readonly summary: string
  readonly notes?: string
  readonly options?: readonly OptionSpec[]
  readonly examples: CommandSpec['examples']
  /** `stopping`, while it goes on. */
  readonly going: string
  /** What is true of the workspace then. */
  readonly done: (workspace: Workspace) => string
  readonly apply: (workspace: Workspace, given: Given) => Promise<unknown>
}

/** A command that does it with one after the other, until one is refused. */
function changing(change: Change): CommandSpec {
  return {
    path: [change.word],
    summary: change.summary,
    ...(change.notes === undefined ? {} : { notes: change.notes }),
    arguments: [NAMES],
    options: change.options ?? [],
    examples: change.examples,
    async run(context, given) {
      const named = given.rest('NAME')
      if (named.length === 0) throw new Failure('invalid-argument', `no workspace: hold ${change.word} NAME`)
      const changed: Workspace[] = []
      for (const name of named) {
        const workspace = await context.workspace(name)
        await context.timed(
          `${change.going} ${name}`,
          () => ({}),
          () => change.apply(workspace, given),
        )
        changed.push(workspace)
      }
      await showChanged(context, change, changed)
      return undefined
    },
  }
}

async function showChanged(context: Context, change: Change, changed: readonly Workspace[]): Promise<void> {
  const documents = changed.map(({ state }) => documentOf(state))
  await context.output.show({
    text: () =>
      changed.map((workspace) => `Workspace ${nameOf(workspace.state)} ${change.done(workspace)}\n`).join(''),
    json: () => (documents.length === 1 ? documents[0] : documents),
    ids: () => changed.map(({ id }) => id),
    names: () => changed.map(({ state }) => nameOf(state)),
  })
}

const isStatus = ({ status }: Workspace) => `is ${status}.`

export const stopCommand = changing({
  word: 'stop',
  summary: 'Save the state of a workspace and end its sandbox',
  notes: 'A command, a request to an URL of it, or `hold resume` brings it back.',
  options: [
    { flags: '--drain <TIME>', about: 'give commands so long to end by themselves', otherwise: '0s' },
    { flags: '--force', about: 'end it even if its state cannot be saved: what was not committed is lost' },
  ],
  examples: [{ line: 'stop box', shows: 'its files are kept as a generation' }],
  going: 'stopping',
  done: (workspace) => `is ${workspace.status}. Next: hold resume ${nameOf(workspace.state)}`,
  apply: async (workspace, given) => {
    const drain = given.option('drain')
    return await workspace.stop({
      force: given.has('force'),
      drainMs: drain === undefined ? 0 : parseDurationMs('--drain', drain, { minMs: 0, maxMs: 3_600_000 }),
    })
  },
})

export const resumeCommand = changing({
  word: 'resume',
  summary: 'Start the sandbox of a stopped workspace again',
  examples: [{ line: 'resume box', shows: 'with its files as they were' }],
  going: 'resuming',
  done: isStatus,
  apply: (workspace) => workspace.resume(),
})

export const restartCommand = changing({
  word: 'restart',
  summary: 'Save the state of a workspace and go on in a new sandbox',
  examples: [{ line: 'restart box', shows: 'with new limits and packs' }],
  going: 'restarting',
  done: isStatus,
  apply: (workspace) => workspace.restart(),
})

export const archiveCommand = changing({
  word: 'archive',
  summary: 'Hide a stopped workspace without deleting anything',
  examples: [{ line: 'archive box', shows: '`hold ls -a` still lists it' }],
  going: 'archiving',
  done: () => 'is archived.',
  apply: (workspace) => workspace.archive(),
})

export const unarchiveCommand = changing({
  word: 'unarchive',
  summary: 'Bring an archived workspace back',
  examples: [{ line: 'unarchive box', shows: 'it is listed again' }],
  going: 'unarchiving',
  done: isStatus,
  apply: (workspace) => workspace.unarchive(),
})

import { Failure } from '@holdfast/base/failure'
import type { Workspace } from '@holdfast/client/workspace'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { NAMES } from './parameters-of-workspaces.ts'
import { nameOf } from './workspace-forms.ts'

export const removeCommand: CommandSpec = {
  path: ['rm'],
  summary: 'Remove workspaces with their history',
  notes: 'Nothing of it can be brought back. `hold archive` hides one in place of that.',
  arguments: [NAMES],
  options: [{ flags: '-f, --force', about: 'without asking, and though it runs' }],
  examples: [
    { line: 'rm box', shows: 'after a question' },
    { line: 'rm -f box other', shows: 'without one, for a script' },
  ],
  async run(context, given) {
    const named = given.rest('NAME')
    if (named.length === 0) throw new Failure('invalid-argument', 'no workspace: hold rm NAME')
    const removed: Workspace[] = []
    for (const name of named) {
      const workspace = await context.workspace(name)
      if (!given.has('force')) await askWhether(context, workspace)
      await workspace.remove({ force: given.has('force') })
      removed.push(workspace)
    }
    await context.output.show({
      text: () => removed.map(({ state }) => `Removed ${nameOf(state)}\n`).join(''),
      json: () => removed.map(({ id, name }) => ({ id, name })),
      ids: () => removed.map(({ id }) => id),
      names: () => removed.map(({ state }) => nameOf(state)),
    })
    return undefined
  },
}

/** Rejects with `invalid-argument` unless a person says yes. */
async function askWhether(context: Context, { state }: Workspace): Promise<void> {
  const name = nameOf(state)
  if (!context.onTerminal) throw new Failure('invalid-argument', `say --force to remove ${name}`, { name })
  const answer = await context.ask(`Remove ${name} with its ${state.sequence} generations? [y/N] `)
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new Failure('invalid-argument', `${name} is kept: nobody said yes`, { name })
}

import type { ForkOutcome, Workspace } from '@holdfast/client/workspace'
import type { CommandSpec } from '../../command.ts'
import { EXIT } from '../../exit-codes.ts'
import { documentOf } from '../../output/document.ts'
import { formatDuration } from '../../output/quantities.ts'
import { parseCount } from '../../parameters.ts'
import { NAME } from './parameters-of-workspaces.ts'
import { nameOf } from './workspace-forms.ts'

const FORKS_MAX = 100

export const forkCommand: CommandSpec = {
  path: ['fork'],
  summary: 'Make independent workspaces that begin with the state of another',
  arguments: [
    NAME,
    { name: 'NEW', presence: 'optional', about: 'name of the fork; several get -1, -2 … behind it' },
  ],
  options: [
    {
      flags: '--at <GEN>',
      about: 'an older state: number or beginning of an id',
      otherwise: 'the present one',
    },
    { flags: '-n, --count <N>', about: 'so many at once', otherwise: '1' },
  ],
  examples: [
    { line: 'fork box trial', shows: 'a second workspace with the same files' },
    { line: 'fork box --at 12 -n 5 -q', shows: 'five of generation 12: prints their ids' },
  ],
  async run(context, given) {
    const parent = await context.workspace(given.argument('NAME'))
    const name = given.optionalArgument('NEW')
    const at = given.option('at')
    const count = parseCount('--count', given.option('count') ?? '1', { min: 1, max: FORKS_MAX })
    const { result: outcomes } = await context.timed(
      'forking',
      () => ({}),
      () =>
        parent.forkMany({
          count,
          ...(name === undefined ? {} : { name }),
          ...(at === undefined ? {} : { at }),
        }),
    )
    const made = outcomes.flatMap((outcome) => ('workspace' in outcome ? [outcome.workspace] : []))
    await context.output.show({
      text: () => outcomes.map(outcomeText).join(''),
      json: () => outcomes.map(outcomeJson),
      ids: () => made.map(({ id }) => id),
      names: () => made.map(({ state }) => nameOf(state)),
    })
    return made.length === outcomes.length ? EXIT.ok : EXIT.failure
  },
}

function outcomeText(outcome: ForkOutcome): string {
  if ('failure' in outcome) return `Failed: ${outcome.failure.message} (${outcome.failure.code})\n`
  return `Forked ${nameOf(outcome.workspace.state)} in ${formatDuration(outcome.tookMs)}\n`
}

function outcomeJson(outcome: ForkOutcome): unknown {
  if ('failure' in outcome) return outcome
  return { workspace: documentOf(outcome.workspace.state), tookMs: outcome.tookMs }
}

export const lineageCommand: CommandSpec = {
  path: ['lineage'],
  summary: 'Show what a workspace was forked from, and what from it',
  arguments: [NAME],
  options: [],
  examples: [{ line: 'lineage box', shows: 'the tree' }],
  async run(context, given) {
    const { items } = await (await context.workspace(given.argument('NAME'))).lineage()
    await context.output.show({
      text: () => treeText(items, null, 0),
      json: () => items.map(documentOf),
      ids: () => items.map(({ id }) => id),
      names: () => items.map(nameOf),
    })
    return undefined
  },
}

type Items = Awaited<ReturnType<Workspace['lineage']>>['items']

/** Those below a parent, each with its own below it; what has lost its parent stands at the top. */
function treeText(items: Items, parent: string | null, depth: number): string {
  const ids = new Set<string>(items.map(({ id }) => id))
  const isBelow = (of: string | null) => (of !== null && ids.has(of) ? of : null) === parent
  return items
    .filter(({ parentWorkspaceId }) => isBelow(parentWorkspaceId))
    .map(
      (item) =>
        `${'  '.repeat(depth)}${nameOf(item)}  ${item.status}\n${treeText(items, item.id, depth + 1)}`,
    )
    .join('')
}

import type { Generation, TakenCheckpoint } from '@holdfast/client/history'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { documentOf } from '../../output/document.ts'
import { printable } from '../../output/printable.ts'
import { formatBytes, formatCount, formatDuration, formatInstant, shortId } from '../../output/quantities.ts'
import { type Column, formatTable } from '../../output/table.ts'
import { parseCount } from '../../parameters.ts'
import { NAME } from './parameters-of-workspaces.ts'

const COLUMNS: readonly Column<Generation>[] = [
  { title: '#', align: 'right', cell: ({ sequence }) => String(sequence) },
  { title: 'ID', cell: ({ id }) => shortId(id) },
  { title: 'WHEN', cell: ({ createdAt }) => formatInstant(createdAt) },
  { title: 'CAUSE', cell: ({ cause }) => cause },
  { title: 'FILES', align: 'right', cell: ({ files }) => formatCount(files) },
  { title: 'SIZE', align: 'right', cell: ({ bytes }) => formatBytes(bytes) },
  { title: 'VERIFIED', drops: true, cell: verifiedText },
  { title: 'MESSAGE', shrinks: true, cell: ({ message }) => message },
]

const LIMIT_DEFAULT = 20
const LIMIT_MAX = 100_000

function verifiedText({ retained, verifiedAt }: Generation): string {
  if (!retained) return 'dropped'
  return verifiedAt === null ? '-' : formatInstant(verifiedAt)
}

export const historyCommand: CommandSpec = {
  path: ['history'],
  summary: 'List the generations of a workspace, newest first',
  arguments: [NAME],
  options: [
    { flags: '--limit <N>', about: 'at most so many', otherwise: String(LIMIT_DEFAULT) },
    { flags: '--checkpoints', about: 'only those that were named' },
  ],
  examples: [
    { line: 'history box', shows: 'the newest twenty' },
    { line: 'history box --checkpoints -q', shows: 'the ids of the checkpoints' },
  ],
  async run(context, given) {
    const limit = parseCount('--limit', given.option('limit') ?? String(LIMIT_DEFAULT), {
      min: 1,
      max: LIMIT_MAX,
    })
    const workspace = await context.workspace(given.argument('NAME'))
    const listed = given.has('checkpoints') ? workspace.checkpoints.list() : workspace.generations.list()
    const rows: Generation[] = []
    for await (const row of listed) {
      if (rows.length === limit) {
        context.output.note(`There are older ones: --limit ${limit * 10} lists more.`)
        break
      }
      rows.push(row)
    }
    await context.output.show({
      text: () => formatTable(COLUMNS, rows, context.output),
      json: () => rows.map(documentOf),
      ids: () => rows.map(({ id }) => id),
    })
    return undefined
  },
}

export const checkpointCommand: CommandSpec = {
  path: ['checkpoint'],
  summary: 'Name the present state of a workspace, so that it is kept',
  arguments: [NAME],
  options: [
    { flags: '-m, --message <TEXT>', about: 'what is special about it' },
    { flags: '--local', about: 'return when the host has it, before it is durable' },
  ],
  examples: [{ line: "checkpoint box -m 'before the upgrade'", shows: 'durable when it returns' }],
  async run(context, given) {
    const workspace = await context.workspace(given.argument('NAME'))
    const until = given.has('local') ? 'local' : 'durable'
    const taken = await context.timed(
      'committing',
      () => ({}),
      () => workspace.checkpoints.create(given.option('message') ?? '', { until }),
    )
    await showTaken(context, taken.result, 'Checkpoint')
    return undefined
  },
}

export const syncCommand: CommandSpec = {
  path: ['sync'],
  summary: 'Make the present state of a workspace durable',
  arguments: [NAME],
  options: [],
  examples: [{ line: 'sync box', shows: 'durable when it returns' }],
  async run(context, given) {
    const workspace = await context.workspace(given.argument('NAME'))
    const { result } = await context.timed(
      'committing',
      () => ({}),
      () => workspace.sync(),
    )
    await showTaken(context, result, 'Durable')
    return undefined
  },
}

async function showTaken(context: Context, taken: TakenCheckpoint, word: string): Promise<void> {
  if (taken.generation === null) return await showLocal(context, taken)
  const { generation, isNew, frozenMs } = taken
  const what = `${word}: generation ${generation.sequence} (${shortId(generation.id)})`
  const how = isNew ? `stood still for ${formatDuration(frozenMs)}` : 'nothing has changed since'
  await context.output.show({
    text: () => `${what}, ${how}\n`,
    json: () => documentOf(taken),
    ids: () => [generation.id],
  })
}

/** Nothing names it yet: `hold logs` tells its generation, or that it failed. */
async function showLocal(
  context: Context,
  taken: Extract<TakenCheckpoint, { generation: null }>,
): Promise<void> {
  const how = `stood still for ${formatDuration(taken.frozenMs)}`
  await context.output.show({
    text: () => `Checkpoint: taken on its host, not durable yet, ${how}\n`,
    json: () => documentOf(taken),
    ids: () => [],
  })
}

const AT = {
  name: 'GEN',
  presence: 'required',
  about: 'head, its number, or the beginning of its id',
} as const

export const rollbackCommand: CommandSpec = {
  path: ['rollback'],
  summary: 'Go on from an older generation, as a new one',
  notes: 'Commands end; no history is lost, so that one can roll forward again.',
  arguments: [NAME, AT],
  options: [],
  examples: [
    { line: 'rollback box 12', shows: 'to number 12' },
    { line: 'rollback box head', shows: 'throw away what was not committed' },
  ],
  async run(context, given) {
    const workspace = await context.workspace(given.argument('NAME'))
    await context.timed(
      'rolling back',
      () => ({}),
      () => workspace.rollback(given.argument('GEN')),
    )
    await context.output.show({
      text: () =>
        `Rolled back: generation ${workspace.state.sequence} holds the state of ${given.argument('GEN')}\n`,
      json: () => documentOf(workspace.state),
      ids: () => [workspace.state.headGeneration ?? ''],
    })
    return undefined
  },
}

export const diffCommand: CommandSpec = {
  path: ['diff'],
  summary: 'Show what changed between two generations of a workspace',
  arguments: [
    NAME,
    { name: 'FROM', presence: 'optional', about: 'the older one (default: the parent of the newer)' },
    { name: 'TO', presence: 'optional', about: 'the newer one (default: head)' },
  ],
  options: [],
  examples: [
    { line: 'diff box', shows: 'what the newest generation changed' },
    { line: 'diff box 3 7', shows: 'what changed from number 3 to number 7, with row counts of databases' },
  ],
  async run(context, given) {
    const workspace = await context.workspace(given.argument('NAME'))
    const from = given.optionalArgument('FROM')
    const diff = await workspace.generations.diff(given.optionalArgument('TO') ?? 'head', { from })
    await context.output.show({
      text: () => diffText(diff),
      json: () => diff,
      ids: () => diff.entries.map(({ path }) => path),
    })
    if (!diff.isWhole) context.output.note('There is more: name a smaller span of generations.')
    return undefined
  },
}

type Diff = Awaited<ReturnType<import('@holdfast/client/history').Generations['diff']>>

const SIGNS = { added: '+', removed: '-', changed: '~' } as const

function diffText({ entries, databases }: Diff): string {
  const files = entries.map(({ path, change, bytes }) => {
    const size = bytes === null ? '' : `  ${formatBytes(bytes)}`
    return `${SIGNS[change]} ${printable(path)}${size}\n`
  })
  const tables = databases.flatMap(({ path, tables: changed }) =>
    changed.map(
      ({ name, rowsBefore, rowsAfter }) =>
        `  ${printable(path)}: ${printable(name)} ${rowsBefore ?? 'none'} → ${rowsAfter ?? 'none'} rows\n`,
    ),
  )
  const uncounted = databases.flatMap(({ path, notCounted }) =>
    notCounted === null ? [] : [`  ${printable(path)}: rows are not counted: ${printable(notCounted)}\n`],
  )
  return [...files, ...tables, ...uncounted].join('') || 'No difference\n'
}

import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { type ByteString, toText } from '@holdfast/generations/format/byte-string'
import { chunkIdFromHex } from '@holdfast/generations/format/chunk-id'
import type { Entry } from '@holdfast/generations/format/entry'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { entryBytes } from '@holdfast/generations/read/entry-bytes'
import { pairRows } from '@holdfast/generations/read/row-counts'
import { diffTrees, type PathChange } from '@holdfast/generations/read/tree-diff'
import { walkTree } from '@holdfast/generations/read/walk-tree'
import type { BROWSE_CALLS, DatabaseChange, EntryChange } from '@holdfast/protocol/browse-calls'
import type { RpcParsed, RpcResponse } from '@holdfast/protocol/rpc-table'
import type { BrowseBounds } from './browse-deps.ts'
import type { OpenGeneration } from './open-generation.ts'
import { type QueryDeps, resultOf } from './query-generation.ts'

type DiffRequest = RpcParsed<typeof BROWSE_CALLS, 'diffGenerations'>

interface DiffDeps extends QueryDeps {
  readonly clock: Clock
  readonly bounds: Pick<BrowseBounds, 'comparedMax' | 'comparedMsMax'>
}

export async function diffGenerations(
  deps: DiffDeps,
  request: DiffRequest,
  signal?: AbortSignal,
): Promise<RpcResponse<typeof BROWSE_CALLS, 'diffGenerations'>> {
  const { from, to } = await openBoth(deps, request)
  const changes: PathChange[] = []
  let isWhole = true
  for await (const change of changesBetween(from, to)) {
    signal?.throwIfAborted()
    isWhole = changes.length < request.limit
    if (!isWhole) break
    changes.push(change)
  }
  const { comparedMax, comparedMsMax } = deps.bounds
  const endsAt = deps.clock.monotonicMs() + comparedMsMax
  const databases: DatabaseChange[] = []
  for (const change of changes.filter(isOfRows)) {
    if (databases.length >= comparedMax)
      databases.push(notCounted(change, `only ${comparedMax} databases are counted at once`))
    else if (deps.clock.monotonicMs() >= endsAt)
      databases.push(notCounted(change, 'the databases before it took all the time'))
    else databases.push(await compareDatabase(deps, { change, from, to }, signal))
  }
  return { entries: changes.map(describeChange), databases, isWhole }
}

interface BothGenerations {
  /** Undefined: nothing, since `to` is the first. */
  readonly from: OpenGeneration | undefined
  readonly to: OpenGeneration
}

async function openBoth({ shelf }: QueryDeps, request: DiffRequest): Promise<BothGenerations> {
  const to = await shelf.find(request, request.to)
  const fromId = request.from ?? to.parent
  const from = fromId === null ? undefined : await shelf.find(request, fromId)
  const chunks = await shelf.chunks(request.org, [...new Set([to, ...(from ? [from] : [])].map(workspaceOf))])
  const opened = (row: GenerationRow) => ({ row, root: chunkIdFromHex(row.root), chunks })
  return { from: from && opened(from), to: opened(to) }
}

function workspaceOf({ workspace }: GenerationRow): string {
  return workspace
}

async function* changesBetween(
  from: OpenGeneration | undefined,
  { chunks, root, row }: OpenGeneration,
): AsyncGenerator<PathChange> {
  if (from !== undefined) {
    yield* diffTrees(chunks, { root: from.root, files: from.row.files }, { root, files: row.files })
    return
  }
  for await (const { path, entry } of walkTree(chunks, root, row.files))
    if (path !== '') yield { kind: 'added', path, after: entry }
}

function beforeOf(change: PathChange): Entry | undefined {
  return change.kind === 'added' ? undefined : change.before
}

function afterOf(change: PathChange): Entry | undefined {
  return change.kind === 'removed' ? undefined : change.after
}

function describeChange(change: PathChange): EntryChange {
  const entry = change.kind === 'removed' ? change.before : change.after
  return {
    path: toText(change.path) || '.',
    change: change.kind,
    kind: entry.kind,
    bytes: entryBytes(entry),
    aspects: change.kind === 'changed' ? [...change.aspects] : [],
  }
}

/** True where a database came, went, or has other pages. */
function isOfRows(change: PathChange): boolean {
  const isDatabase = beforeOf(change)?.kind === 'database' || afterOf(change)?.kind === 'database'
  const isSame = change.kind === 'changed' && !change.aspects.some((at) => at === 'content' || at === 'kind')
  return isDatabase && !isSame
}

function notCounted(change: PathChange, reason: string): DatabaseChange {
  return { path: toText(change.path), tables: [], notCounted: reason }
}

async function compareDatabase(
  deps: QueryDeps,
  { change, from, to }: BothGenerations & { readonly change: PathChange },
  signal: AbortSignal | undefined,
): Promise<DatabaseChange> {
  const { path } = change
  const before = await rowsOf(deps, { generation: from, path, entry: beforeOf(change) }, signal)
  const after = await rowsOf(deps, { generation: to, path, entry: afterOf(change) }, signal)
  const comparison = pairRows(before, after)
  if (comparison.kind === 'not-counted') return notCounted(change, comparison.reason)
  const tables = comparison.tables
    .filter((table) => table.before !== table.after)
    .map(({ table, before: rowsBefore, after: rowsAfter }) => ({ name: table, rowsBefore, rowsAfter }))
  return { path: toText(path), tables, notCounted: null }
}

/** Rows by table, or the reason why they are not counted; no table where there is no database. */
async function rowsOf(
  { databases }: QueryDeps,
  at: {
    readonly generation: OpenGeneration | undefined
    readonly path: ByteString
    readonly entry: Entry | undefined
  },
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, number | null> | string> {
  const { generation, path, entry } = at
  if (generation === undefined || entry?.kind !== 'database') return new Map()
  try {
    const answer = await databases.query({ generation, path, entry }, null, signal)
    const { rows, isWhole } = resultOf(answer, toText(path))
    if (!isWhole) return 'it has more rows or tables than are counted in time'
    return new Map(rows.map(([table, count]) => [String(table), typeof count === 'number' ? count : null]))
  } catch (error) {
    if (!isFailure(error, 'invalid-argument', 'unsupported-here', 'too-large')) throw error
    return error.message
  }
}

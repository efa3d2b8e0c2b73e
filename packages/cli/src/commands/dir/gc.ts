import { isFailure } from '@holdfast/base/failure'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { WriterLock } from '@holdfast/generations/directory/writer-lock'
import { ChunkGraph } from '@holdfast/generations/maintenance/chunk-graph'
import {
  collectGarbage,
  type GarbageCollected,
  GC_GRACE_MS,
} from '@holdfast/generations/maintenance/collect-garbage'
import { compactWorkspace } from '@holdfast/generations/maintenance/compact-workspace'
import type { MaintenanceDeps } from '@holdfast/generations/maintenance/maintenance-deps'
import { thinHistory } from '@holdfast/generations/maintenance/thin-history'
import type { CommandSpec, Given } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { counted, formatBytes, formatDuration } from '../../output/quantities.ts'
import { formatPairs } from '../../output/table.ts'
import { parseDurationMs } from '../../parameters.ts'
import { holdWriters } from './hold-writers.ts'
import { DIR } from './parameters-of-dir.ts'

const GRACE_BOUNDS = { minMs: 0, maxMs: 7 * 24 * 3600 * 1000 }
/** Each step copies a bounded amount: a history of any size is done after so many. */
const COMPACTION_STEPS_MAX = 10_000

export const gcCommand: CommandSpec = {
  path: ['dir', 'gc'],
  summary: 'Thin the history of a directory, merge its packs, and remove what nothing needs',
  notes:
    'Generations of the last 10 minutes all stay, then one a minute, after an hour one in ten minutes, after a day one ' +
    'a day; checkpoints, fork points and the newest stay for good. Garbage is removed from the whole store of this ' +
    'home after a grace, in which commits and restores that are under way come to their end; interrupting it is safe.',
  arguments: [DIR],
  options: [
    {
      flags: '--grace <DURATION>',
      about: 'wait so long before anything is removed',
      otherwise: formatDuration(GC_GRACE_MS),
    },
    {
      flags: '--now',
      about: 'do not wait: refuses while another process writes a directory of the same store',
    },
    { flags: '--keep-all', about: 'drop no generation' },
    { flags: '--orphans', about: 'also remove what commits that never came about left in the store' },
  ],
  examples: [
    { line: 'dir gc ./project', shows: 'for a nightly job, beside a watch' },
    { line: 'dir gc ./project --now', shows: 'when nothing else uses the store' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'writing')
    using held = given.has('now') ? holdWriters(context, directory.config.org) : undefined
    const { traffic } = context
    const state = () => ({ bytesDone: traffic.bytesGot + traffic.bytesPut })
    const { result, elapsedMs } = await context.timed('tidying', state, () =>
      tidy(context, directory, { given, isHeld: held !== undefined }),
    )
    await context.output.show({
      text: () => describe(result, elapsedMs),
      json: () => ({ ...result, elapsedMs }),
      ids: () => result.dropped,
    })
    return undefined
  },
}

interface Compacted {
  readonly packsRead: number
  readonly packsWritten: number
  readonly bytesWritten: number
}

interface Tidied extends GarbageCollected {
  readonly dropped: readonly string[]
  /** Null where another process writes the history. */
  readonly compacted: Compacted | null
}

async function tidy(
  context: Context,
  directory: DurableDirectory,
  { given, isHeld }: { readonly given: Given; readonly isHeld: boolean },
): Promise<Tidied> {
  const { config, store, index, coding } = directory
  const deps = { store, index, coding, clock: context.clock, randomness: context.randomness }
  const graceMs = graceOf(given)
  const dropped = given.has('keepAll')
    ? []
    : await thinHistory(deps, config, { wallMs: context.clock.wallMs() })
  const compacted = await compact(deps, directory, isHeld)
  if (compacted === null)
    context.output.note('hold: another process writes this history: its packs are not merged now')
  if (graceMs > 0)
    context.output.note(`hold: garbage is removed after ${formatDuration(graceMs)}; Ctrl-C is safe`)
  const sweepOrphans = given.has('orphans')
  const collected = await collectGarbage(deps, { org: config.org, graceMs, sweepOrphans })
  return { dropped, compacted, ...collected }
}

function graceOf(given: Given): number {
  if (given.has('now')) return 0
  const text = given.option('grace')
  return text === undefined ? GC_GRACE_MS : parseDurationMs('--grace', text, GRACE_BOUNDS)
}

/** Merges packs step by step under a lease of its own; null where another process has the right to write. */
async function compact(
  deps: MaintenanceDeps,
  directory: DurableDirectory,
  isHeld: boolean,
): Promise<Compacted | null> {
  using lock = isHeld ? undefined : takeUnlessHeld(directory.folder)
  if (!isHeld && lock === undefined) return null
  const lease = await deps.index.acquire(directory.config.workspace)
  const graph = new ChunkGraph()
  const sum = { packsRead: 0, packsWritten: 0, bytesWritten: 0 }
  for (let step = 0; step < COMPACTION_STEPS_MAX; step++) {
    const outcome = await compactWorkspace(deps, { lease, graph, always: true })
    if (outcome.kind === 'nothing') break
    sum.packsRead += outcome.packsRead
    sum.packsWritten += outcome.packsWritten
    sum.bytesWritten += outcome.bytesWritten
    if (!outcome.more) break
  }
  return sum
}

function takeUnlessHeld(folder: string): WriterLock | undefined {
  try {
    return WriterLock.take(folder)
  } catch (error) {
    if (isFailure(error, 'lease-held')) return undefined
    throw error
  }
}

function describe(result: Tidied, elapsedMs: number): string {
  const { dropped, compacted, deletedPacks, deletedBytes, deletedIndexObjects, deletedOrphans, doubtful } =
    result
  const merged =
    compacted === null
      ? 'not now: another process writes'
      : `${counted(compacted.packsRead, 'pack')} into ${compacted.packsWritten} (${formatBytes(compacted.bytesWritten)})`
  const others = deletedIndexObjects + deletedOrphans
  return `Tidied in ${formatDuration(elapsedMs)}\n${formatPairs([
    ['dropped', counted(dropped.length, 'generation')],
    ['merged', merged],
    [
      'removed',
      `${counted(deletedPacks, 'pack')} (${formatBytes(deletedBytes)}), ${counted(others, 'other object')}`,
    ],
    ...(doubtful.length === 0 ? [] : ([['left in doubt', counted(doubtful.length, 'pack')]] as const)),
  ])}`
}

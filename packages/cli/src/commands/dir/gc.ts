import { isFailure } from '@holdfast/base/failure'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { WriterLock } from '@holdfast/generations/directory/writer-lock'
import {
  collectGarbage,
  type GarbageCollected,
  GC_GRACE_MS,
} from '@holdfast/generations/maintenance/collect-garbage'
import type { MaintenanceDeps } from '@holdfast/generations/maintenance/maintenance-deps'
import { RETENTION_POLICY } from '@holdfast/generations/maintenance/retention'
import { thinHistory } from '@holdfast/generations/maintenance/thin-history'
import { tidyWorkspace } from '@holdfast/generations/maintenance/tidy-workspace'
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
    'home after a grace, in which commits and restores that are under way come to their end; interrupting it is safe. ' +
    'A watch does all of this by itself while it runs.',
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
    { line: 'dir gc ./project', shows: 'for a nightly job, where no watch runs' },
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
  const { dropped, compacted } = await thinAndMerge(deps, directory, { given, isHeld })
  if (compacted === null)
    context.output.note('hold: another process writes this history, and merges its packs')
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

/** Thins, and merges packs under a lease of its own: not where another process has the right to write. */
async function thinAndMerge(
  deps: MaintenanceDeps,
  directory: DurableDirectory,
  { given, isHeld }: { readonly given: Given; readonly isHeld: boolean },
): Promise<Pick<Tidied, 'dropped' | 'compacted'>> {
  const { config, folder } = directory
  const retention = given.has('keepAll') ? [] : RETENTION_POLICY
  using lock = isHeld ? undefined : takeUnlessHeld(folder)
  if (!isHeld && lock === undefined) {
    const dropped = await thinHistory(deps, config, { wallMs: deps.clock.wallMs(), policy: retention })
    return { dropped, compacted: null }
  }
  const lease = await deps.index.acquire(config.workspace)
  const request = { lease, retention, stepsMax: COMPACTION_STEPS_MAX }
  const { dropped, packsRead, packsWritten, bytesWritten } = await tidyWorkspace(deps, request)
  return { dropped, compacted: { packsRead, packsWritten, bytesWritten } }
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
      ? 'by the process that writes'
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

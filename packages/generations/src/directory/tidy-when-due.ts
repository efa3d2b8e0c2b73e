import { failureToWire } from '@holdfast/base/failure'
import type { HeldLease } from '../index/generation-index.ts'
import { waitingPacks } from '../maintenance/compact-workspace.ts'
import { COMPACTION_POLICY, compactionDueInMs } from '../maintenance/compaction-plan.ts'
import { tidyWorkspace } from '../maintenance/tidy-workspace.ts'
import type { DurableDirectory } from './durable-directory.ts'
import type { MetFailure } from './watch-status.ts'

/** Steps that whoever made a commit waits for. */
const STEPS_MAX = 1
/** Few packs are left to a watch or to more commits, however old: tidying begins with a walk through the whole tree. */
const POLICY = { ...COMPACTION_POLICY, waitingMsMax: Number.POSITIVE_INFINITY }

/**
 * Thins and merges a history that no watch tidies, once enough commits came: without it, records would grow with every
 * commit. Resolves with what went wrong, which takes nothing from the commit before.
 */
export async function tidyWhenDue(
  { store, index, coding, deps: ground }: DurableDirectory,
  lease: HeldLease,
): Promise<MetFailure | null> {
  const { clock, randomness } = ground
  const deps = { store, index, coding, clock, randomness }
  try {
    const waiting = await waitingPacks(deps, lease.workspace, POLICY)
    if (compactionDueInMs(waiting, POLICY) === 0) await tidyWorkspace(deps, { lease, stepsMax: STEPS_MAX })
    return null
  } catch (error) {
    return { ...failureToWire(error), metAt: clock.wallMs() }
  }
}

import { hash } from 'node:crypto'
import type { HeldLease, IndexReplacement } from './generation-index.ts'
import {
  refuseGcSeen,
  refuseLease,
  refuseNewPacks,
  type WriteDecision,
  type WriteState,
} from './write-decision.ts'

export interface ReplacementState extends WriteState {
  /** Whether this very replacement was applied under the lease's epoch before. */
  readonly appliedBefore: boolean
}

/** Names a replacement by all it says: 64 hex digits, equal for an unchanged re-submission only. */
export function replacementDigest(replacement: IndexReplacement): string {
  const packs = replacement.newPacks.map((pack) => [pack.name, pack.bytes, pack.sha256])
  return hash(
    'sha256',
    JSON.stringify([replacement.baseObjects, packs, replacement.covered, replacement.gcSeen]),
  )
}

/**
 * Decides whether a merged index comes into force. One that was in force before stays superseded when it is submitted
 * again: its successor covers packs that have left the list of deltas, and going back would lose them.
 */
export function decideReplacement(
  lease: HeldLease,
  replacement: IndexReplacement,
  state: ReplacementState,
): WriteDecision {
  const leaseFailure = refuseLease(lease, state.workspace)
  if (leaseFailure !== undefined) return { step: 'refuse', failure: leaseFailure }
  if (state.appliedBefore) return { step: 'already-applied' }
  const failure =
    refuseGcSeen(replacement.gcSeen, state.boundary) ??
    refuseNewPacks(lease, replacement.newPacks, state.packs)
  if (failure !== undefined) return { step: 'refuse', failure }
  return { step: 'apply', addPacks: replacement.newPacks.filter((pack) => !state.packs.has(pack.name)) }
}

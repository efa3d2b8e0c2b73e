import { Failure } from '@holdfast/base/failure'
import type { HeldLease, IndexReplacement } from './generation-index.ts'
import {
  refuseGcSeen,
  refuseLease,
  refuseNewPacks,
  type WriteDecision,
  type WriteState,
} from './write-decision.ts'

export interface ReplacementState extends WriteState {
  /** The merged index of the workspace as it is. */
  readonly baseObjects: readonly string[]
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index])
}

/** In force already: its base objects, which no other replacement names, are the workspace's, and its packs are there. */
function isInForce(replacement: IndexReplacement, state: ReplacementState): boolean {
  if (isSame(replacement.baseObjects, replacement.replaces)) return false
  return (
    isSame(replacement.baseObjects, state.baseObjects) &&
    replacement.newPacks.every((pack) => state.packs.get(pack.name)?.sha256 === pack.sha256)
  )
}

function refuseBase(replacement: IndexReplacement, baseObjects: readonly string[]): Failure | undefined {
  if (isSame(replacement.replaces, baseObjects)) return undefined
  return new Failure('head-moved', 'the merged index was replaced since this one was computed', {
    replaces: replacement.replaces.length,
    baseObjects: baseObjects.length,
  })
}

/** Decides whether a merged index comes into force. Pure: the caller reads, asks and writes in one transaction. */
export function decideReplacement(
  lease: HeldLease,
  replacement: IndexReplacement,
  state: ReplacementState,
): WriteDecision {
  const leaseFailure = refuseLease(lease, state.workspace)
  if (leaseFailure !== undefined) return { step: 'refuse', failure: leaseFailure }
  if (isInForce(replacement, state)) return { step: 'already-applied' }
  const failure =
    refuseBase(replacement, state.baseObjects) ??
    refuseGcSeen(replacement.gcSeen, state.boundary) ??
    refuseNewPacks(lease, replacement.newPacks, state.packs)
  if (failure !== undefined) return { step: 'refuse', failure }
  return { step: 'apply', addPacks: replacement.newPacks.filter((pack) => !state.packs.has(pack.name)) }
}

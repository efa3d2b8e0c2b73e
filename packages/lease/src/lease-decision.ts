import { Failure } from '@holdfast/base/failure'
import type { DatabaseInstant } from './database-clock.ts'
import type { AcquireRequest, ReleaseRequest } from './lease-registry.ts'

/** What was given out last for a workspace. */
export interface GivenLease {
  /** Null: it was released, and nobody has it. */
  readonly host: string | null
  readonly epoch: number
  /** Of the request that it answers; null for one that nobody asked for. */
  readonly nonce: string | null
  /** The host that released the epoch before this one; null after an acquire. */
  readonly givenBy: string | null
  /** The boot of the database's machine in which `expiresAt` counts. */
  readonly boot: string
  readonly ttlMs: number
  readonly expiresAt: number
}

/** A workspace with its lease, read in the transaction that decides. */
export interface LeasedWorkspace {
  readonly workspace: string
  readonly org: string
  /** The epoch of the history: what a lease must carry to be current. */
  readonly epoch: number
  readonly head: string | null
  readonly given: GivenLease | null
}

interface HeldBy extends GivenLease {
  readonly host: string
}

/**
 * Until a lease runs out, at most 0 once it has. After a reboot of the database's machine the old instants mean
 * nothing, but the lease was renewed before that boot: it lasts no longer than its TTL into it.
 */
export function remainingMs(given: GivenLease, now: DatabaseInstant): number {
  return (given.boot === now.boot ? given.expiresAt : given.ttlMs) - now.ms
}

/** The lease of the present epoch, run out or not; undefined when nobody has it. */
export function holderOf(row: LeasedWorkspace): HeldBy | undefined {
  const { given, epoch } = row
  if (given === null || given.host === null || given.epoch !== epoch) return undefined
  return { ...given, host: given.host }
}

/** True while the lease that a host names is the present one and runs. */
export function isHeldBy(
  row: LeasedWorkspace,
  claim: { readonly host: string; readonly epoch: number },
  now: DatabaseInstant,
): boolean {
  const holder = holderOf(row)
  if (holder?.host !== claim.host || holder.epoch !== claim.epoch) return false
  return remainingMs(holder, now) > 0
}

export type AcquireDecision =
  | { readonly step: 'give' }
  | { readonly step: 'repeat' } // the answer to this request was lost: the lease runs already
  | { readonly step: 'refuse'; readonly failure: Failure }

/** Decides whether a host gets the next epoch. Pure, as all of these: the caller reads, asks and writes in one go. */
export function decideAcquire(
  row: LeasedWorkspace,
  request: AcquireRequest,
  now: DatabaseInstant,
): AcquireDecision {
  const holder = holderOf(row)
  const leftMs = holder === undefined ? 0 : remainingMs(holder, now)
  if (holder && leftMs > 0 && holder.host !== request.host) {
    const { host, epoch } = holder
    const details = { host, epoch, remainingMs: leftMs }
    const failure = new Failure('lease-held', `${row.workspace} is held by ${host}`, details)
    return { step: 'refuse', failure }
  }
  if (holder && leftMs > 0 && holder.nonce === request.nonce) return { step: 'repeat' }
  // What was asked before another epoch began may come late: whoever runs under that epoch goes on.
  if (request.afterEpoch !== row.epoch) return { step: 'refuse', failure: hasEnded(row, request.afterEpoch) }
  return { step: 'give' }
}

function hasEnded({ workspace, epoch: currentEpoch }: LeasedWorkspace, epoch: number): Failure {
  const details = { workspace, epoch, currentEpoch }
  return new Failure('lease-lost', `epoch ${epoch} of ${workspace} has ended`, details)
}

export type ReleaseDecision =
  | { readonly step: 'end' }
  | { readonly step: 'hand-over' }
  | { readonly step: 'already-done' }
  | { readonly step: 'refuse'; readonly failure: Failure }

/** This release, again: the epoch after it was given by it, to the same successor. */
function isRepeated(row: LeasedWorkspace, request: ReleaseRequest): boolean {
  const { given } = row
  return (
    given !== null &&
    given.epoch === row.epoch &&
    given.epoch === request.epoch + 1 &&
    given.givenBy === request.host &&
    given.host === (request.successor?.host ?? null)
  )
}

/** Decides what a release does. One that has run out may still be ended, but not handed over: others may be at work. */
export function decideRelease(
  row: LeasedWorkspace,
  request: ReleaseRequest,
  now: DatabaseInstant,
): ReleaseDecision {
  if (isRepeated(row, request)) return { step: 'already-done' }
  const holder = holderOf(row)
  const isHolder = holder?.host === request.host && holder.epoch === request.epoch
  if (isHolder && request.successor === null) return { step: 'end' }
  if (isHeldBy(row, request, now)) return { step: 'hand-over' }
  return { step: 'refuse', failure: hasEnded(row, request.epoch) }
}

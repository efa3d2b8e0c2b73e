import { assert } from '@holdfast/base/assert'
import type { BootClock } from '@holdfast/base/boot-clock'
import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import type { HostId, WorkspaceId } from '@holdfast/protocol/identifiers'
import {
  type LEASE_CALLS,
  LEASE_MARGIN_MS,
  LEASE_RENEW_MS,
  LEASE_TTL_MS,
  type Lease,
} from '@holdfast/protocol/lease-calls'
import type { RpcClient } from '@holdfast/rpc/rpc-client'
import { SuspensionDetector } from './suspension.ts'

/** How often deadlines are looked at, and how soon a call that failed is made again. */
const TICK_MS = 250
/** A lease that an acquire may have given is asked for so often; then the caller hears of it. */
const ACQUIRE_ATTEMPTS_MAX = 3

/** Who may write a workspace on this host. */
export type HostLease = Pick<Lease, 'org' | 'workspace' | 'epoch'>

export interface LeaseEvents {
  /** No user code of the workspace may run later than that: told to all that kill by themselves. */
  deadline(lease: HostLease, deadlineBootMs: number): void
  /**
   * The lease is over: `taken` by somebody, or its `deadline` passed. The sandbox is to be ended, and nothing can be
   * committed any more. Nothing is told of this lease afterwards.
   */
  lost(lease: HostLease, reason: 'taken' | 'deadline'): void
}

export interface LeaseHolderDeps {
  readonly client: Pick<RpcClient<typeof LEASE_CALLS>, 'call'>
  readonly host: HostId
  readonly clock: Clock
  readonly bootClock: BootClock
  readonly randomness: Randomness
  readonly events: LeaseEvents
  readonly ttlMs?: number
  readonly renewMs?: number
  readonly marginMs?: number
}

interface Held {
  readonly lease: HostLease
  deadlineBootMs: number
  /** When the request was sent whose answer proved the lease last. */
  provenAtBootMs: number
  /** A release may have happened: neither renewed nor lost until its outcome is known. */
  isReleasing: boolean
}

/**
 * All leases of one host. They are renewed in one call; each deadline counts from the instant before its request was
 * sent, so that this host stops before the database lets anybody else begin, whatever happens to the answer. A
 * deadline moves only for an answer: silence never extends it.
 */
export class LeaseHolder implements AsyncDisposable {
  readonly #deps: Required<LeaseHolderDeps>
  readonly #held = new Map<WorkspaceId, Held>()
  readonly #suspension: SuspensionDetector
  readonly #ended = new AbortController()
  readonly #ticking: Promise<void>
  #renewal: Promise<unknown> | undefined
  /** When all leases are to be renewed next. */
  #dueAtBootMs: number

  constructor(deps: LeaseHolderDeps) {
    this.#deps = { ttlMs: LEASE_TTL_MS, renewMs: LEASE_RENEW_MS, marginMs: LEASE_MARGIN_MS, ...deps }
    this.#suspension = new SuspensionDetector(deps.clock, deps.bootClock)
    this.#dueAtBootMs = this.#now() + this.#deps.renewMs
    this.#ticking = this.#tickUntilEnd()
  }

  /** Takes the next epoch. Rejects with `lease-held`, `not-found`, or what kept the lease role from answering. */
  async acquire(workspace: WorkspaceId): Promise<HostLease> {
    assert(!this.#held.has(workspace), `${workspace} has a lease here`)
    const nonce = newIdentifier('acquire', this.#deps.randomness)
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#askForNext(workspace, nonce)
      } catch (error) {
        // An answer that came after its own deadline is worth as much as none: the same nonce gives the lease again.
        // And whoever took an epoch between the two calls may have ended it since.
        const mayAskAgain = isFailure(error) && (error.retryable || error.code === 'lease-lost')
        const isLast = attempt === ACQUIRE_ATTEMPTS_MAX || this.#ended.signal.aborted
        if (!mayAskAgain || isLast) throw error
        await this.#deps.clock.sleep(TICK_MS)
      }
    }
  }

  /** The request says which epoch it has seen, so that it means nothing any more once there is another. */
  async #askForNext(workspace: WorkspaceId, nonce: string): Promise<HostLease> {
    const { host, ttlMs } = this.#deps
    const [state] = (await this.#call('leaseStates', { workspaces: [workspace] })).states
    if (state === undefined) throw new Failure('not-found', `no such workspace: ${workspace}`, { workspace })
    const sentAt = this.#now()
    const request = { workspace, host, ttlMs, nonce, afterEpoch: state.epoch }
    const { org, epoch } = await this.#call('acquireLease', request)
    return this.#hold({ org, workspace, epoch }, sentAt)
  }

  /** Takes over a lease that another host handed to this one. Rejects with `lease-lost` once it has run out. */
  async adopt(lease: HostLease): Promise<HostLease> {
    assert(!this.#held.has(lease.workspace), `${lease.workspace} has a lease here`)
    const sentAt = this.#now()
    const { lost } = await this.#renew([lease])
    if (lost.length > 0) throw hasEnded(lease)
    return this.#hold(lease, sentAt)
  }

  /** The lease, while this host may act on it. Rejects with `lease-lost`. Asks nobody; for what is not undone, `prove`. */
  held(workspace: WorkspaceId): HostLease {
    const held = this.#held.get(workspace)
    if (held === undefined || this.#hasPassed(held) || held.isReleasing)
      throw new Failure('lease-lost', `this host holds no lease of ${workspace}`, { workspace })
    if (held.provenAtBootMs < this.#suspension.resumedAtBootMs())
      throw new Failure('index-unavailable', 'the machine was suspended: the lease is not proven since', {
        workspace,
      })
    return held.lease
  }

  /**
   * Asks whether the lease is current now; on resolution it was after the call began. Nothing is thawed without it.
   * Rejects with `lease-lost`, or with what kept the lease role from answering.
   */
  async prove(workspace: WorkspaceId): Promise<HostLease> {
    const held = this.#held.get(workspace)
    if (held !== undefined && !held.isReleasing) await this.#renewHeld([held])
    return this.held(workspace)
  }

  /** True while this very lease is held here: the workspace may have been taken again since, under a later epoch. */
  holds({ workspace, epoch }: Pick<HostLease, 'workspace' | 'epoch'>): boolean {
    return this.#held.get(workspace)?.lease.epoch === epoch
  }

  /** Until the deadline of the lease; 0 once it has passed, or is not held. */
  remainingMs(lease: Pick<HostLease, 'workspace' | 'epoch'>): number {
    const deadlineBootMs = this.holds(lease) ? this.deadlineBootMs(lease.workspace) : undefined
    return Math.max(0, (deadlineBootMs ?? 0) - this.#now())
  }

  /** The instant after which nothing of the workspace runs; undefined without a lease. */
  deadlineBootMs(workspace: WorkspaceId): number | undefined {
    return this.#held.get(workspace)?.deadlineBootMs
  }

  /**
   * Gives a lease back, or to a successor, under whose epoch it resolves. Insists until it knows the outcome. Rejects
   * with `lease-lost` when the lease had ended, or when its deadline passed before an answer came; only another
   * refusal leaves it held.
   */
  async release(workspace: WorkspaceId, successor: HostId | null): Promise<Lease | null> {
    const { host, ttlMs, clock } = this.#deps
    const held = this.#held.get(workspace)
    if (held === undefined) throw new Failure('lease-lost', `no lease of ${workspace}`, { workspace })
    const { epoch } = held.lease
    const request = { workspace, host, epoch, successor: successor && { host: successor, ttlMs } }
    held.isReleasing = true
    for (; !this.#hasPassed(held); await clock.sleep(TICK_MS)) {
      try {
        const answer = await this.#call('releaseLease', request)
        this.#forget(held)
        return answer.successor
      } catch (error) {
        if (isFailure(error) && error.retryable) continue
        if (isFailure(error, 'lease-lost')) this.#forget(held)
        held.isReleasing = false
        throw error
      }
    }
    this.#forget(held)
    throw hasEnded(held.lease)
  }

  /** Stops renewing. Leases that are held run out by themselves. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await this.#ticking
    await this.#renewal
  }

  async #tickUntilEnd(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      await this.#deps.clock.sleep(TICK_MS, signal).catch(() => undefined)
      if (!signal.aborted) this.#tick()
    }
  }

  #tick(): void {
    for (const held of [...this.#held.values()])
      if (this.#hasPassed(held) && !held.isReleasing) this.#lose(held, 'deadline')
    const held = [...this.#held.values()].filter(({ isReleasing }) => !isReleasing)
    const resumedAt = this.#suspension.resumedAtBootMs()
    const isDue = this.#now() >= this.#dueAtBootMs || held.some((one) => one.provenAtBootMs < resumedAt)
    if (held.length === 0 || !isDue || this.#renewal !== undefined) return
    this.#dueAtBootMs = this.#now() + this.#deps.renewMs
    this.#renewal = this.#renewHeld(held)
      .catch(() => {
        this.#dueAtBootMs = this.#now()
      })
      .finally(() => {
        this.#renewal = undefined
      })
  }

  /** Moves the deadlines of what is renewed and loses what is lost. Rejects when there is no answer. */
  async #renewHeld(renewed: readonly Held[]): Promise<void> {
    const sentAt = this.#now()
    const { lost } = await this.#renew(renewed.map(({ lease }) => lease))
    for (const held of renewed) {
      if (this.#held.get(held.lease.workspace) !== held || held.isReleasing) continue
      if (lost.includes(held.lease.workspace)) this.#lose(held, 'taken')
      else if (this.#hasPassed(held)) this.#lose(held, 'deadline')
      else this.#extend(held, sentAt)
    }
  }

  #renew(leases: readonly HostLease[]) {
    const { host, ttlMs } = this.#deps
    return this.#call('renewLeases', {
      host,
      ttlMs,
      leases: leases.map(({ workspace, epoch }) => ({ workspace, epoch })),
    })
  }

  #hold(lease: HostLease, sentAtBootMs: number): HostLease {
    const { ttlMs, marginMs } = this.#deps
    if (this.#now() >= sentAtBootMs + ttlMs - marginMs) throw hasEnded(lease)
    const held = { lease, deadlineBootMs: 0, provenAtBootMs: 0, isReleasing: false }
    this.#held.set(lease.workspace, held)
    this.#extend(held, sentAtBootMs)
    return lease
  }

  #extend(held: Held, sentAtBootMs: number): void {
    const { ttlMs, marginMs, events } = this.#deps
    held.provenAtBootMs = Math.max(held.provenAtBootMs, sentAtBootMs)
    const deadlineBootMs = sentAtBootMs + ttlMs - marginMs
    if (deadlineBootMs <= held.deadlineBootMs) return
    held.deadlineBootMs = deadlineBootMs
    events.deadline(held.lease, deadlineBootMs)
  }

  #lose(held: Held, reason: 'taken' | 'deadline'): void {
    this.#forget(held)
    this.#deps.events.lost(held.lease, reason)
  }

  #forget(held: Held): void {
    if (this.#held.get(held.lease.workspace) === held) this.#held.delete(held.lease.workspace)
  }

  #hasPassed(held: Held): boolean {
    return this.#now() >= held.deadlineBootMs
  }

  #now(): number {
    return this.#deps.bootClock.bootMs()
  }

  get #call(): LeaseHolderDeps['client']['call'] {
    const { client, renewMs } = this.#deps
    return (name, request) => client.call(name, request, { timeoutMs: renewMs / 2 })
  }
}

function hasEnded({ workspace, epoch }: HostLease): Failure {
  return new Failure('lease-lost', `the lease of ${workspace} has ended`, { workspace, epoch })
}

import { Failure } from '@holdfast/base/failure'
import type { MemoryGenerationIndex } from '@holdfast/generations/index/memory-generation-index'
import type { DatabaseClock, DatabaseInstant } from '@holdfast/lease/database-clock'
import {
  decideAcquire,
  decideRelease,
  type GivenLease,
  holderOf,
  isHeldBy,
  type LeasedWorkspace,
  remainingMs,
} from '@holdfast/lease/lease-decision'
import type {
  AcquireRequest,
  LeaseRegistry,
  ReleaseRequest,
  RenewRequest,
} from '@holdfast/lease/lease-registry'
import { HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { Lease, LeaseState } from '@holdfast/protocol/lease-calls'
import { OpenedTurns } from './opened-turns.ts'

interface NextLease {
  readonly host: string | null
  readonly nonce: string | null
  readonly givenBy: string | null
  readonly ttlMs: number
}

/** Leases in this process's memory, beside a history there: decided as the databases decide, one call after another. */
export class MemoryLeaseRegistry implements LeaseRegistry {
  readonly #index: MemoryGenerationIndex
  readonly #clock: DatabaseClock
  readonly #given = new Map<string, GivenLease>()
  readonly #turns = new OpenedTurns()

  /** The history stays its opener's to close. */
  constructor(index: MemoryGenerationIndex, clock: DatabaseClock) {
    this.#index = index
    this.#clock = clock
  }

  acquireLease(request: AcquireRequest): Promise<Lease> {
    return this.#turns.run(async () => {
      const row = await this.#leased(request.workspace)
      const now = this.#clock.now()
      const decision = decideAcquire(row, request, now)
      const { host, nonce, ttlMs } = request
      switch (decision.step) {
        case 'refuse':
          throw decision.failure
        case 'repeat':
          this.#extend(row, ttlMs, now)
          return leaseOf(row, { host, epoch: row.epoch, ttlMs })
        case 'give': {
          const epoch = await this.#giveNext(row, { host, nonce, givenBy: null, ttlMs }, now)
          return leaseOf(row, { host, epoch, ttlMs })
        }
      }
    })
  }

  renewLeases({ host, ttlMs, leases }: RenewRequest): Promise<{ lost: WorkspaceId[] }> {
    return this.#turns.run(async () => {
      const lost: WorkspaceId[] = []
      for (const { workspace, epoch } of leases) {
        const row = await this.#find(workspace)
        const now = this.#clock.now()
        if (row !== undefined && isHeldBy(row, { host, epoch }, now)) this.#extend(row, ttlMs, now)
        else lost.push(workspace)
      }
      return { lost }
    })
  }

  releaseLease(request: ReleaseRequest): Promise<{ successor: Lease | null }> {
    return this.#turns.run(async () => {
      const row = await this.#leased(request.workspace)
      const now = this.#clock.now()
      const decision = decideRelease(row, request, now)
      if (decision.step === 'refuse') throw decision.failure
      const { host: givenBy, successor, epoch } = request
      const given = { host: successor?.host ?? null, nonce: null, givenBy, ttlMs: successor?.ttlMs ?? 0 }
      if (decision.step !== 'already-done') await this.#giveNext(row, given, now)
      return { successor: successor && leaseOf(row, { ...successor, epoch: epoch + 1 }) }
    })
  }

  leaseStates({ workspaces }: { workspaces: WorkspaceId[] }): Promise<{ states: LeaseState[] }> {
    return this.#turns.run(async () => {
      const states: LeaseState[] = []
      for (const workspace of workspaces) {
        const row = await this.#find(workspace)
        if (row === undefined) continue
        const holder = holderOf(row)
        const host = holder === undefined ? null : HostId.parse(holder.host)
        const leftMs = holder === undefined ? 0 : remainingMs(holder, this.#clock.now())
        states.push({ workspace, epoch: row.epoch, host, remainingMs: leftMs, head: row.head })
      }
      return { states }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#turns.close()
  }

  async #find(workspace: string): Promise<LeasedWorkspace | undefined> {
    try {
      return await this.#leased(workspace)
    } catch (error) {
      if (error instanceof Failure && error.code === 'not-found') return undefined
      throw error
    }
  }

  async #leased(workspace: string): Promise<LeasedWorkspace> {
    const { org, epoch, head } = await this.#index.workspace(workspace)
    return { workspace, org, epoch, head, given: this.#given.get(workspace) ?? null }
  }

  async #giveNext(row: LeasedWorkspace, next: NextLease, now: DatabaseInstant): Promise<number> {
    const { epoch } = await this.#index.acquire(row.workspace)
    this.#given.set(row.workspace, { ...next, epoch, boot: now.boot, expiresAt: now.ms + next.ttlMs })
    return epoch
  }

  /** One that runs longer stays: its holder may count on what it was told. */
  #extend(row: LeasedWorkspace, ttlMs: number, now: DatabaseInstant): void {
    const { given, workspace } = row
    if (given === null || remainingMs(given, now) >= ttlMs) return
    this.#given.set(workspace, { ...given, ttlMs, boot: now.boot, expiresAt: now.ms + ttlMs })
  }
}

function leaseOf(row: LeasedWorkspace, given: { host: string; epoch: number; ttlMs: number }): Lease {
  const { epoch, ttlMs } = given
  const workspace = WorkspaceId.parse(row.workspace)
  return { org: OrgId.parse(row.org), workspace, host: HostId.parse(given.host), epoch, ttlMs }
}

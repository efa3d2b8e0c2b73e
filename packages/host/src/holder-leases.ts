import { Failure } from '@holdfast/base/failure'
import type { HeldLease } from '@holdfast/generations/index/generation-index'
import { type HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { Lease } from '@holdfast/protocol/lease-calls'
import type { HostLease, LeaseEvents, LeaseHolder } from './lease-holder.ts'
import type { Leases, ResidentLease } from './workspace/leases.ts'

/** The leases of a `LeaseHolder`, each for the workspace that runs under it. */
export class HolderLeases implements Leases {
  readonly #holder: LeaseHolder
  readonly #leases = new Map<string, HolderLease>()

  /** Makes the holder with the events that these leases need. */
  constructor(makeHolder: (events: LeaseEvents) => LeaseHolder) {
    this.#holder = makeHolder({
      deadline: ({ workspace }, deadlineBootMs) => this.#leases.get(workspace)?.extend(deadlineBootMs),
      lost: ({ workspace }, reason) => this.#lose(workspace, reason),
    })
  }

  async acquire(workspace: string): Promise<ResidentLease> {
    const id = WorkspaceId.parse(workspace)
    // One whose release nobody answered in time is of no use to anybody else.
    if (this.#holder.deadlineBootMs(id) !== undefined) await this.#holder.release(id, null)
    return this.#hold(await this.#holder.acquire(id))
  }

  async adopt({ workspace, org, epoch }: HeldLease): Promise<ResidentLease> {
    const lease = { workspace: WorkspaceId.parse(workspace), org: OrgId.parse(org), epoch }
    return this.#hold(await this.#holder.adopt(lease))
  }

  #hold(held: HostLease): ResidentLease {
    const lease = new HolderLease(this.#holder, held)
    this.#leases.set(held.workspace, lease)
    return lease
  }

  #lose(workspace: string, reason: 'taken' | 'deadline'): void {
    const said =
      reason === 'taken' ? 'another host has taken the workspace over' : 'the lease was not renewed in time'
    this.#leases.get(workspace)?.lose(new Failure('lease-lost', said, { workspace }))
    this.#leases.delete(workspace)
  }
}

class HolderLease implements ResidentLease {
  readonly held: HostLease
  readonly lost: Promise<Failure>
  readonly lose: (failure: Failure) => void
  readonly #holder: LeaseHolder
  readonly #listeners: ((deadlineBootMs: number) => void)[] = []
  #deadlineBootMs: number

  constructor(holder: LeaseHolder, held: HostLease) {
    const { promise, resolve } = Promise.withResolvers<Failure>()
    this.held = held
    this.lost = promise
    this.lose = resolve
    this.#holder = holder
    this.#deadlineBootMs = holder.deadlineBootMs(held.workspace) ?? 0
  }

  get deadlineBootMs(): number {
    return this.#deadlineBootMs
  }

  get remainingMs(): number {
    return this.#holder.remainingMs(this.held)
  }

  onExtended(listener: (deadlineBootMs: number) => void): void {
    this.#listeners.push(listener)
  }

  extend(deadlineBootMs: number): void {
    this.#deadlineBootMs = deadlineBootMs
    for (const listener of this.#listeners) listener(deadlineBootMs)
  }

  async prove(): Promise<void> {
    this.#expectHeld()
    await this.#holder.prove(this.held.workspace)
  }

  async release(successor: HostId | null): Promise<Lease | null> {
    this.#expectHeld()
    return await this.#holder.release(this.held.workspace, successor)
  }

  /** What an earlier run of the workspace had says nothing of the lease that it has now. */
  #expectHeld(): void {
    const { workspace, epoch } = this.held
    if (!this.#holder.holds(this.held))
      throw new Failure('lease-lost', `epoch ${epoch} of ${workspace} has ended here`, { workspace, epoch })
  }
}

import { isDeepStrictEqual } from 'node:util'
import type { GenerationCommit, HeldLease } from '@holdfast/generations/index/generation-index'
import type { RunningUnit } from './machine.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimulatedStore } from './store.ts'

export interface LeaseSeen {
  readonly host: string | null
  readonly epoch: number
  readonly ttlMs: number
}

interface Told {
  /** The present epoch, who has it, and until when in true time. */
  epoch: number
  host: string | null
  untilMs: number
  head: string | null
  committedEpoch: number
  /** What the head holds. */
  content: ReadonlySet<string>
  readonly acknowledged: Set<string>
  /** The unit that ticked last, and all that is written by it and before it. */
  tickedEpoch: number
  written: readonly string[]
  /** By epoch: what its unit began with, and what was written before. */
  readonly begun: Map<number, { readonly items: readonly string[]; readonly before: readonly string[] }>
}

/** Sees all that happens, and knows what must never. It believes nothing that the hosts say of themselves. */
export class Oracle {
  readonly #scheduler: Scheduler
  readonly #store: SimulatedStore
  /** False where the hosts' clocks run so differently that a lease promises nothing about who runs. */
  readonly #isOneWriter: boolean
  readonly #told = new Map<string, Told>()
  violation: string | undefined
  readonly counts = { ticks: 0, commits: 0, acknowledged: 0, handOffs: 0 }

  constructor(scheduler: Scheduler, store: SimulatedStore, isOneWriter: boolean) {
    this.#scheduler = scheduler
    this.#store = store
    this.#isOneWriter = isOneWriter
  }

  /** A lease was given out, renewed or ended, by the database. */
  noteLease(workspace: string, { host, epoch, ttlMs }: LeaseSeen): void {
    const told = this.#of(workspace)
    const untilMs = this.#scheduler.nowMs + ttlMs
    if (epoch < told.epoch) this.#report(`the epoch of ${workspace} goes back from ${told.epoch} to ${epoch}`)
    told.untilMs = epoch === told.epoch && ttlMs > 0 ? Math.max(told.untilMs, untilMs) : untilMs
    told.epoch = epoch
    told.host = host
    this.#scheduler.log(`lease of ${workspace}: epoch ${epoch}, ${ttlMs} ms`)
  }

  /** One that was released before is not released again, nor does its successor's run longer. */
  noteRelease(workspace: string, lease: LeaseSeen): void {
    if (lease.epoch > this.#of(workspace).epoch) this.noteLease(workspace, lease)
  }

  noteBegin(unit: RunningUnit): void {
    const told = this.#of(unit.workspace)
    told.begun.set(unit.epoch, { items: unit.volume.items, before: told.written })
    told.written = unit.volume.items
    this.#scheduler.log(`begins ${unit.workspace}@${unit.epoch}`)
  }

  /** User code runs. */
  noteTick(unit: RunningUnit, host: string): void {
    const { workspace, epoch } = unit
    const told = this.#of(workspace)
    this.counts.ticks++
    if (this.#isOneWriter) {
      const name = `user code of epoch ${epoch} of ${workspace}`
      if (epoch < told.tickedEpoch) this.#report(`${name} runs after that of epoch ${told.tickedEpoch}`)
      // A call that was late may have taken the next epoch for the host that has it: nobody else runs then.
      if (epoch !== told.epoch && host !== told.host)
        this.#report(`${name} runs though epoch ${told.epoch} is given out`)
      if (this.#scheduler.nowMs > told.untilMs) this.#report(`${name} runs though its lease has run out`)
    }
    told.tickedEpoch = Math.max(epoch, told.tickedEpoch)
  }

  /** After a tick: all that its unit sees. */
  noteWritten(workspace: string, items: readonly string[]): void {
    this.#of(workspace).written = items
  }

  /** A commit was applied, the first time. */
  noteCommit(lease: HeldLease, commit: GenerationCommit): void {
    const { workspace, epoch } = lease
    const told = this.#of(workspace)
    this.counts.commits++
    this.#scheduler.log(
      `commit ${workspace}@${epoch} ${commit.sequence} ${commit.id.slice(0, 12)} ${commit.cause}`,
    )
    if (epoch !== told.epoch)
      this.#report(`a commit of epoch ${epoch} of ${workspace} is applied in epoch ${told.epoch}`)
    if (epoch < told.committedEpoch)
      this.#report(`the epochs of the commits of ${workspace} go back to ${epoch}`)
    if (commit.parent !== told.head) this.#report(`a commit of ${workspace} does not follow the head`)
    const content = this.#store.peek(commit.recordPack)
    if (content === undefined) this.#report(`the head of ${workspace} is not in the store`)
    told.head = commit.id
    told.committedEpoch = epoch
    told.content = new Set(content)
    this.#expectKept(workspace, told.acknowledged)
  }

  /** Somebody was told that these are durable. */
  noteAcknowledged(workspace: string, items: readonly string[]): void {
    const told = this.#of(workspace)
    this.counts.acknowledged++
    this.#scheduler.log(`durable for ${workspace}: ${items.length}`)
    for (const item of items) told.acknowledged.add(item)
    this.#expectKept(workspace, items)
  }

  /** Somebody was told that a workspace runs elsewhere, under this epoch. */
  noteHandOff(workspace: string, epoch: number): void {
    this.counts.handOffs++
    this.#scheduler.log(`handed off ${workspace}@${epoch}`)
    const begun = this.#of(workspace).begun.get(epoch)
    if (begun === undefined) this.#report(`${workspace} was handed off to a host where nothing runs`)
    else if (this.#isOneWriter && !isDeepStrictEqual(begun.items, begun.before))
      this.#report(`${workspace} lost ${begun.before.length - begun.items.length} items as it was handed off`)
  }

  /** Something failed in a way that the code does not know. */
  noteDefect(error: unknown, where: string): void {
    this.#report(`${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }

  noteStuck(what: string): void {
    this.#report(what)
  }

  #expectKept(workspace: string, items: Iterable<string>): void {
    const { content } = this.#of(workspace)
    for (const item of items)
      if (!content.has(item)) this.#report(`${item} was durable, and the head does not hold it`)
  }

  #of(workspace: string): Told {
    const known = this.#told.get(workspace)
    if (known) return known
    const told: Told = {
      ...{ epoch: 0, host: null, untilMs: 0, head: null, committedEpoch: 0, tickedEpoch: 0, written: [] },
      content: new Set(),
      acknowledged: new Set(),
      begun: new Map(),
    }
    this.#told.set(workspace, told)
    return told
  }

  /** The first one counts: what comes after may come of it. */
  #report(violation: string): void {
    this.#scheduler.log(`VIOLATION ${violation}`)
    this.violation ??= violation
  }
}

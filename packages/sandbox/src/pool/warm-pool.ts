import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import type { SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { PreparedSandbox, Runtime, StartRequest } from '../runtime.ts'
import { poolKey } from './pool-key.ts'
import { Reservation } from './reservation.ts'

export interface WarmPoolSizes {
  /** Sandboxes that wait for each kind that was asked for lately. */
  readonly perKey: number
  /** Kinds; the one that was asked for longest ago goes first. */
  readonly keysMax: number
}

export interface WarmPoolDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  /** CLOCK_BOOTTIME in milliseconds. */
  readonly bootMs: () => number
  /** Holds the folders of all sandboxes: who begins kills what it finds there. */
  readonly folder: string
  readonly sizes: WarmPoolSizes
}

export interface Wanted {
  readonly runtime: Runtime
  readonly org: string
  readonly spec: SandboxSpec
}

/** A waiting sandbox outlives its agent by no more than this, and nothing of it runs meanwhile. */
const WAIT_MS = 600_000
/** Extended when less than this is left. */
const EXTEND_MS = 300_000
const TEND_MS = 30_000
/** Whoever was just served has the machine to itself for a moment. */
const REFILL_AFTER_MS = 500

interface Shelf {
  readonly wanted: Wanted
  readonly waiting: PreparedSandbox[]
}

/** Sandboxes that were started before anybody asked for them. A claimed one never comes back. */
export class WarmPool implements AsyncDisposable {
  readonly #deps: WarmPoolDeps
  /** By key, the one that was asked for last at the end. */
  readonly #shelves = new Map<string, Shelf>()
  readonly #over = new AbortController()
  readonly #tending: Promise<void>
  #refill: Promise<void> | undefined

  constructor(deps: WarmPoolDeps) {
    this.#deps = deps
    this.#tending = this.#tend()
  }

  /**
   * Takes one that waits; where none does, begins to make one at once: whoever asks has a lease and a volume to wait for.
   */
  reserve(wanted: Wanted): Reservation {
    const startFresh = (request: StartRequest) => wanted.runtime.start(request)
    // A part of its system is in the volume.
    if (wanted.spec.systemWrites === 'kept') return Reservation.ofNone(this.#newId(), startFresh)
    const shelf = this.#shelf(wanted)
    const waiting = shelf.waiting.shift()
    const id = waiting?.id ?? this.#newId()
    this.#refillSoon()
    return new Reservation({
      id,
      prepared: waiting ?? this.#prepare(wanted, id),
      isWarm: waiting !== undefined,
      startFresh,
      giveBack: (prepared) => this.#put(shelf, prepared),
    })
  }

  /** Resolves once as many wait of this kind as are to. Rejects as `Runtime.prepare`. */
  async warm(wanted: Wanted): Promise<void> {
    await this.#fill(this.#shelf(wanted))
  }

  /** Kills all that wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#tending
    await this.#refill
    const shelves = [...this.#shelves.values()]
    this.#shelves.clear()
    await Promise.all(shelves.map(end))
  }

  /** Of another kind's sandboxes, those that nobody asks for any more are ended. */
  #shelf(wanted: Wanted): Shelf {
    const key = poolKey(wanted.runtime.kind, wanted.org, wanted.spec)
    const shelf = this.#shelves.get(key) ?? { wanted, waiting: [] }
    this.#shelves.delete(key)
    this.#shelves.set(key, shelf)
    const [oldest] = this.#shelves
    if (oldest && this.#shelves.size > this.#deps.sizes.keysMax) {
      this.#shelves.delete(oldest[0])
      void end(oldest[1])
    }
    return shelf
  }

  #refillSoon(): void {
    this.#refill ??= this.#refillAll().finally(() => {
      this.#refill = undefined
    })
  }

  async #refillAll(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#over
    await clock.sleep(REFILL_AFTER_MS, signal).catch(() => {}) // cut short by the end
    for (const shelf of [...this.#shelves.values()].toReversed()) {
      try {
        await this.#fill(shelf)
      } catch (error) {
        if (!isFailure(error)) throw error // who asks next finds out by a start of its own
      }
    }
  }

  async #fill(shelf: Shelf): Promise<void> {
    while (!this.#over.signal.aborted && shelf.waiting.length < this.#deps.sizes.perKey) {
      const prepared = await this.#prepare(shelf.wanted, this.#newId())
      if (prepared === undefined) return
      await this.#put(shelf, prepared)
    }
  }

  /** Nobody looks for it on a shelf that has gone meanwhile. */
  async #put(shelf: Shelf, prepared: PreparedSandbox): Promise<void> {
    if (!this.#over.signal.aborted && [...this.#shelves.values()].includes(shelf)) {
      shelf.waiting.push(prepared)
      void prepared.ended.then(() => drop(shelf, prepared))
    } else await prepared[Symbol.asyncDispose]()
  }

  #newId(): string {
    return newIdentifier('sb', this.#deps.randomness).replace('_', '-')
  }

  #prepare({ runtime, spec }: Wanted, id: string): Promise<PreparedSandbox> | undefined {
    const { folder, bootMs } = this.#deps
    const request = { id, folder: `${folder}/${id}`, spec, deadlineBootMs: bootMs() + WAIT_MS }
    return runtime.prepare?.({ ...request, spec: { ...spec, environment: {}, packs: [] } })
  }

  async #tend(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#over
    while (!signal.aborted) {
      await clock.sleep(TEND_MS, signal).catch(() => {}) // cut short by the end
      if (!signal.aborted) await this.#extendAll()
    }
  }

  async #extendAll(): Promise<void> {
    const { bootMs } = this.#deps
    for (const shelf of this.#shelves.values())
      for (const prepared of shelf.waiting.filter(
        ({ deadlineBootMs }) => deadlineBootMs - bootMs() < EXTEND_MS,
      )) {
        // Out of reach while it is thawed: a claim takes another one, or starts afresh.
        shelf.waiting.splice(shelf.waiting.indexOf(prepared), 1)
        try {
          await prepared.extend(bootMs() + WAIT_MS)
          await this.#put(shelf, prepared)
        } catch (error) {
          if (!isFailure(error)) throw error
          await prepared[Symbol.asyncDispose]()
        }
      }
  }
}

async function end({ waiting }: Shelf): Promise<void> {
  await Promise.all(waiting.splice(0).map((prepared) => prepared[Symbol.asyncDispose]()))
}

/** It has ended by itself, or was killed. */
async function drop({ waiting }: Shelf, prepared: PreparedSandbox): Promise<void> {
  const at = waiting.indexOf(prepared)
  if (at < 0) return
  waiting.splice(at, 1)
  await prepared[Symbol.asyncDispose]()
}

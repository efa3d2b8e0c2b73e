import { mkdirSync } from 'node:fs'
import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { collectGarbage } from '../maintenance/collect-garbage.ts'
import type { MaintenanceDeps } from '../maintenance/maintenance-deps.ts'
import { StoppableObjectStore } from '../store/stoppable-object-store.ts'
import type { Chore } from './chore.ts'
import type { MaintenancePolicy } from './maintenance-policy.ts'
import { WriterLock } from './writer-lock.ts'

export interface CollectionChoreParts {
  readonly deps: MaintenanceDeps
  readonly org: string
  /** A folder of the org: whoever collects holds a lock in it. */
  readonly folder: string
  readonly policy: Pick<MaintenancePolicy, 'collectEveryMs' | 'graceMs'>
}

/**
 * Collects the garbage of an org, grace and all, some time after there may be some. The watches of one org leave it to the
 * first of them, which saves work and no more than that: runs beside each other are safe.
 */
export class CollectionChore implements Chore {
  readonly #parts: CollectionChoreParts
  #endedAt: number
  /** What a watch before this one left is not known. */
  #hasGarbage = true
  #lastCollectedAt: number | null = null

  constructor(parts: CollectionChoreParts) {
    this.#parts = parts
    this.#endedAt = parts.deps.clock.monotonicMs()
  }

  /** When this watch last came to the end of a collection, milliseconds since 1970. */
  get lastCollectedAt(): number | null {
    return this.#lastCollectedAt
  }

  /** Call when something has become garbage. */
  noteGarbage(): void {
    this.#hasGarbage = true
  }

  dueAt(): number {
    return this.#hasGarbage ? this.#endedAt + this.#parts.policy.collectEveryMs : Number.POSITIVE_INFINITY
  }

  async run(signal: AbortSignal): Promise<void> {
    const { deps, folder } = this.#parts
    try {
      using lock = lockUnlessHeld(folder)
      if (lock) await this.#collect(signal)
    } finally {
      this.#endedAt = deps.clock.monotonicMs()
    }
  }

  async #collect(signal: AbortSignal): Promise<void> {
    const { deps, org, policy } = this.#parts
    this.#hasGarbage = false
    try {
      await collectGarbage(stoppable(deps, signal), { org, graceMs: policy.graceMs })
      this.#lastCollectedAt = deps.clock.wallMs()
    } catch (error) {
      this.#hasGarbage = true
      throw error
    }
  }
}

function lockUnlessHeld(folder: string): WriterLock | undefined {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    return WriterLock.take(folder)
  } catch (error) {
    if (isFailure(error, 'lease-held')) return undefined
    throw error
  }
}

function stoppable(deps: MaintenanceDeps, signal: AbortSignal): MaintenanceDeps {
  const { clock, store } = deps
  const stoppableClock: Clock = {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms) => clock.sleep(ms, signal),
  }
  return { ...deps, store: new StoppableObjectStore(store, signal), clock: stoppableClock }
}

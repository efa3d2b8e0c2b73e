import { setImmediate } from 'node:timers/promises'
import type { Clock } from '@holdfast/base/clock'

interface Sleeper {
  readonly until: number
  readonly wake: () => void
}

/** Time that passes when a test says so. */
export class ManualClock implements Clock {
  #nowMs: number
  readonly #sleepers = new Set<Sleeper>()
  /** How often somebody went to sleep. */
  sleeps = 0

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleeps++
    return new Promise((resolve, reject) => {
      const sleeper = { until: this.#nowMs + ms, wake: resolve }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper)
        reject(signal.reason)
      })
    })
  }

  /** Lets time pass, and then all that is not asleep run. */
  async pass(ms: number): Promise<void> {
    const end = this.#nowMs + ms
    await settle()
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#sleepers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.until)
      next.wake()
      await settle()
    }
    this.#nowMs = end
  }

  #next(end: number): Sleeper | undefined {
    const due = [...this.#sleepers].filter(({ until }) => until <= end)
    return due.sort((a, b) => a.until - b.until)[0]
  }
}

/** What works in memory, in turns, comes to its next sleep within so many. */
const TURNS = 50

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await setImmediate()
}

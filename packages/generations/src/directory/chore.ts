import type { Clock } from '@holdfast/base/clock'
import { failureToWire } from '@holdfast/base/failure'
import { Wakeup } from './wakeup.ts'
import type { MetFailure } from './watch-status.ts'

/** Work that a watch does beside its commits. */
export interface Chore {
  /** When it is to be done next, on the monotonic clock; Infinity while there is nothing to do. */
  dueAt(): number
  /** Does it once; rejects soon after the signal. */
  run(signal: AbortSignal): Promise<void>
}

/** After the nth failure in a row; the last one for all further ones. */
const BACKOFF_MS = [1000, 5000, 30_000, 120_000, 600_000] as const
/** No timer is set for longer. */
const SLEEP_MS_MAX = 24 * 3600_000

/**
 * Does a chore whenever it is due until it is disposed of. A failure is kept for the status, and the chore is tried again
 * later and later: it neither ends the watch nor fails a commit.
 */
export class ChoreLoop implements AsyncDisposable {
  readonly #clock: Clock
  readonly #chore: Chore
  readonly #onWork: () => void
  readonly #wakeup: Wakeup
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>
  #sleepsUntil = Number.NEGATIVE_INFINITY
  #failures = 0
  #retryAt = Number.NEGATIVE_INFINITY
  #lastFailure: MetFailure | null = null

  /** `onWork` is called after each run, done or failed. */
  constructor(clock: Clock, chore: Chore, onWork: () => void = () => {}) {
    this.#clock = clock
    this.#chore = chore
    this.#onWork = onWork
    this.#wakeup = new Wakeup(clock)
    this.#ended = this.#run()
  }

  /** Of the last run; null once one has ended well. */
  get lastFailure(): MetFailure | null {
    return this.#lastFailure
  }

  /** Looks again when the chore is due: call it when that may be earlier now. */
  look(): void {
    if (this.#nextAt() < this.#sleepsUntil) this.#wakeup.ring()
  }

  /** Resolves when the run under way has come to its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#wakeup.ring()
    await this.#ended
  }

  #nextAt(): number {
    return Math.max(this.#chore.dueAt(), this.#retryAt)
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#nextAt() - this.#clock.monotonicMs()
      if (waitMs > 0) await this.#sleep(Math.min(waitMs, SLEEP_MS_MAX))
      else {
        await this.#try()
        this.#onWork()
      }
    }
  }

  async #sleep(ms: number): Promise<void> {
    this.#sleepsUntil = this.#nextAt()
    await this.#wakeup.sleep(ms)
    this.#sleepsUntil = Number.NEGATIVE_INFINITY
  }

  async #try(): Promise<void> {
    try {
      await this.#chore.run(this.#stop.signal)
      this.#failures = 0
      this.#retryAt = Number.NEGATIVE_INFINITY
      this.#lastFailure = null
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.#failures++
      const backoffMs = BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length) - 1] ?? 0
      this.#retryAt = this.#clock.monotonicMs() + backoffMs
      this.#lastFailure = { ...failureToWire(error), metAt: this.#clock.wallMs() }
    }
  }
}

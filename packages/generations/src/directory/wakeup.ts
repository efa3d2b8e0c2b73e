import type { Clock } from '@holdfast/base/clock'

/** A sleep that others can end. */
export class Wakeup {
  readonly #clock: Clock
  #sleeping: AbortController | undefined
  #isRung = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Ends the sleep under way, or else the next one at once. */
  ring(): void {
    this.#isRung = true
    this.#sleeping?.abort()
  }

  /** Resolves after `ms`, or when rung. */
  async sleep(ms: number): Promise<void> {
    if (!this.#isRung && ms > 0) {
      const sleeping = new AbortController()
      this.#sleeping = sleeping
      try {
        await this.#clock.sleep(ms, sleeping.signal)
      } catch (error) {
        if (!sleeping.signal.aborted) throw error
      }
      this.#sleeping = undefined
    }
    this.#isRung = false
  }
}

import type { BootClock } from '@holdfast/base/boot-clock'
import type { Clock } from '@holdfast/base/clock'

/** More than both clocks' grain, less than anything that could matter to a lease. */
const GROWTH_MS_MIN = 200

/**
 * Notices that the machine was suspended: the boot clock counts that time and the monotonic one does not, so their
 * difference grows, and only then.
 */
export class SuspensionDetector {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #bootClock: BootClock
  #apartMs: number
  #resumedAtBootMs = Number.NEGATIVE_INFINITY

  constructor(clock: Pick<Clock, 'monotonicMs'>, bootClock: BootClock) {
    this.#clock = clock
    this.#bootClock = bootClock
    this.#apartMs = this.#measure()
  }

  /** When the last suspension was noticed, on the boot clock; looks first whether there has been one since. */
  resumedAtBootMs(): number {
    const apartMs = this.#measure()
    if (apartMs - this.#apartMs > GROWTH_MS_MIN) {
      this.#apartMs = apartMs
      this.#resumedAtBootMs = this.#bootClock.bootMs()
    }
    return this.#resumedAtBootMs
  }

  #measure(): number {
    return this.#bootClock.bootMs() - this.#clock.monotonicMs()
  }
}

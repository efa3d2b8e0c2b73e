import { type Clock, systemClock } from '@holdfast/base/clock'

/** The system's clock, which can be moved on: days of a history pass in minutes. */
export class MovableClock implements Clock {
  #aheadMs = 0

  moveOn(ms: number): void {
    this.#aheadMs += ms
  }

  wallMs(): number {
    return systemClock.wallMs() + this.#aheadMs
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#aheadMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal)
  }
}

import { setTimeout as delay } from 'node:timers/promises'

/** Time as the engines see it; tests pass their own. */
export interface Clock {
  /** Milliseconds since 1970, as set by people and NTP: may jump. */
  wallMs(): number
  /** Milliseconds from an arbitrary start: never goes back. */
  monotonicMs(): number
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal ? { signal } : {})
  },
}

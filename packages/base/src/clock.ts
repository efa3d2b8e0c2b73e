/** Time as the engines see it; tests pass their own. */
export interface Clock {
  /** Milliseconds since 1970, as set by people and NTP: may jump. */
  wallMs(): number
  /** Milliseconds from an arbitrary start: never goes back. */
  monotonicMs(): number
  /** Rejects with the signal's reason when it is raised first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  // Node's own promise of a timer makes an exception with its stack for each sleep that is cut short: 40 µs.
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const wake = () => {
        signal?.removeEventListener('abort', cut)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      const cut = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', cut, { once: true })
    }),
}

/** Objects that a watch may create in a minute before it slows down: each costs money on S3. */
const PUTS_A_MINUTE = 20
const PUT_EVERY_MS = 60_000 / PUTS_A_MINUTE
/** However much was put, what is written waits no longer than this for the next look. */
const PAUSE_MS_MAX = 5_000

/**
 * Spaces the rounds of a watch by the objects that they create. A minute's puts are in hand at first, and one more comes
 * every 3 s: while there is one the cadence is as asked for, else the next round waits for one, at most 5 s. What one
 * large commit overdraws is forgotten beyond a minute's worth.
 */
export class PutBudget {
  #inHand = PUTS_A_MINUTE
  #countedAt: number

  /** `now` here and below: milliseconds of one monotonic clock. */
  constructor(now: number) {
    this.#countedAt = now
  }

  /** Counts objects that were created. */
  spend(now: number, puts: number): void {
    this.#inHand = Math.max(-PUTS_A_MINUTE, this.#inHandAt(now) - puts)
    this.#countedAt = now
  }

  /** How long after the last round the next may begin, where `everyMs` is asked for. */
  pauseMs(now: number, everyMs: number): number {
    const untilOneMs = Math.max(0, 1 - this.#inHandAt(now)) * PUT_EVERY_MS
    return Math.max(everyMs, Math.min(untilOneMs, PAUSE_MS_MAX))
  }

  #inHandAt(now: number): number {
    return Math.min(PUTS_A_MINUTE, this.#inHand + (now - this.#countedAt) / PUT_EVERY_MS)
  }
}

/** The budget for a store at this address; none where puts cost nothing. */
export function putBudgetFor(address: string, now: number): PutBudget | undefined {
  return /^s3:/i.test(address) ? new PutBudget(now) : undefined
}

import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { type S3Trouble, s3Trouble } from './s3-trouble.ts'

/** How often and how long one operation is tried. */
export interface S3RetryPolicy {
  readonly attemptsMax: number
  /** One attempt, from connecting to the last byte of the answer. */
  readonly attemptMs: number
  /** The first pause is a random part of this; each further one of twice as much. */
  readonly pauseMs: number
  readonly pauseMsMax: number
}

/** Outlasts some seconds of 503 SlowDown, which S3 answers while it spreads a prefix that is asked for more than before. */
export const s3RetryPolicy: S3RetryPolicy = {
  attemptsMax: 8,
  attemptMs: 30_000,
  pauseMs: 50,
  pauseMsMax: 2_000,
}

export interface S3AttemptsDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly policy: S3RetryPolicy
}

/** One request under a deadline: `call` stops when `signal` aborts. */
export interface S3Request<T> {
  readonly name: string
  readonly key: string
  readonly call: (signal: AbortSignal) => Promise<T>
}

/** Sends requests with a deadline each, and again after a pause: the only place that retries. */
export class S3Attempts {
  readonly #deps: S3AttemptsDeps

  constructor(deps: S3AttemptsDeps) {
    this.#deps = deps
  }

  /** Sends until it succeeds, is refused, or `attemptsMax` is reached; then rejects with the last Failure. */
  async run<T>(request: S3Request<T>): Promise<T> {
    return this.#repeat(request, async ({ failure, turn }) => {
      if (turn === 'refused' || turn === 'past-end') throw failure
      return undefined
    })
  }

  /**
   * Sends a request that may have had its effect although it failed. After each failed attempt `isDone` looks: true
   * ends the operation with success, false sends again, a rejection ends it.
   */
  async runOnce(request: S3Request<void>, isDone: (trouble: S3Trouble) => Promise<boolean>): Promise<void> {
    await this.#repeat(request, async (trouble) =>
      (await isDone(trouble)) ? { result: undefined } : undefined,
    )
  }

  /** Sends once; the outcome is the answer or what went wrong. */
  async attempt<T>(request: S3Request<T>): Promise<{ readonly result: T } | S3Trouble> {
    const { clock, policy } = this.#deps
    const deadline = new AbortController()
    const settled = new AbortController()
    const watch = clock.sleep(policy.attemptMs, settled.signal).then(
      () => deadline.abort(tookTooLong(request, policy.attemptMs)),
      () => {},
    )
    try {
      return { result: await request.call(deadline.signal) }
    } catch (error) {
      // The SDK says no more than that it was aborted.
      const met: unknown = deadline.signal.aborted ? deadline.signal.reason : error
      return s3Trouble(met, { name: request.name, key: request.key })
    } finally {
      settled.abort()
      await watch
    }
  }

  async #repeat<T>(
    request: S3Request<T>,
    after: (trouble: S3Trouble) => Promise<{ readonly result: T } | undefined>,
  ): Promise<T> {
    for (let attempts = 1; ; attempts += 1) {
      const outcome = await this.attempt(request)
      if ('result' in outcome) return outcome.result
      const end = await after(outcome)
      if (end) return end.result
      if (attempts >= this.#deps.policy.attemptsMax) throw outcome.failure
      await this.#deps.clock.sleep(this.#pauseMs(attempts))
    }
  }

  /** Full jitter, so that clients which failed together do not come back together. */
  #pauseMs(attempts: number): number {
    const { policy, randomness } = this.#deps
    const bound = Math.min(policy.pauseMsMax, policy.pauseMs * 2 ** (attempts - 1))
    const part = Buffer.from(randomness.bytes(4)).readUInt32BE(0) / 2 ** 32
    return Math.ceil(bound * part)
  }
}

function tookTooLong({ name, key }: { readonly name: string; readonly key: string }, ms: number): Failure {
  const sentence = `${name} of ${key || 'the bucket'} took over ${ms} ms`
  return new Failure('store-unavailable', sentence, { name, key })
}

/** How long failures of the same call are waited out. */
export interface RetryPolicy {
  readonly attemptsMax: number
  readonly baseMs: number
  readonly waitMsMax: number
}

export const RETRY_DEFAULT: RetryPolicy = { attemptsMax: 5, baseMs: 100, waitMsMax: 5000 }

/** A server that asks for more than this is told to the caller in place of being waited for. */
const RETRY_AFTER_MS_MAX = 60_000

/**
 * How long to wait before the next attempt; undefined: give up. The wait doubles, and is drawn from its upper half so
 * that many callers do not come back at once.
 */
export function retryWaitMs(
  failure: { readonly retryable: boolean; readonly retryAfterMs: number | undefined },
  attempt: { readonly number: number; readonly random: number },
  policy: RetryPolicy,
): number | undefined {
  if (!failure.retryable || attempt.number >= policy.attemptsMax) return undefined
  const { retryAfterMs = 0 } = failure
  if (retryAfterMs > RETRY_AFTER_MS_MAX) return undefined
  const ceilingMs = Math.min(policy.waitMsMax, policy.baseMs * 2 ** (attempt.number - 1))
  return retryAfterMs + (ceilingMs * (1 + attempt.random)) / 2
}

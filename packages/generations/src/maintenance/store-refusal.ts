import type { Failure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'

const REFUSALS: readonly FailureCode[] = [
  'no-permission',
  'store-denied',
  'store-missing',
  'store-unsuitable',
  'store-read-only',
]

/**
 * True for a failure of the store as a whole: it is away, or refuses us. It says nothing of the bytes asked for, and
 * whoever looks for damage must not take it for any.
 */
export function isOfWholeStore(failure: Failure): boolean {
  return failure.retryable || REFUSALS.includes(failure.code)
}

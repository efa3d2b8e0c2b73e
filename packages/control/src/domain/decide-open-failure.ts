import type { Failure } from '@holdfast/base/failure'

/** After so many attempts an opening is given up; with the delays below that is about a quarter of an hour. */
export const OPEN_ATTEMPTS_MAX = 40
const DELAY_MS_FIRST = 100
const DELAY_MS_MAX = 30_000
/** A lease that somebody else holds ends within its TTL. */
const LEASE_WAIT_MS = 1_000

export type OpenFailureDecision =
  | { readonly kind: 'again'; readonly delayMs: number; readonly elsewhere: boolean }
  | { readonly kind: 'fail' }

/** What follows when a host could not open a workspace. `attempts`: those that failed, this one included. */
export function decideOpenFailure(failure: Failure, attempts: number): OpenFailureDecision {
  if (attempts >= OPEN_ATTEMPTS_MAX) return { kind: 'fail' }
  if (failure.code === 'lease-held') {
    const { remainingMs } = failure.details
    const untilFree =
      typeof remainingMs === 'number' ? Math.max(50, Math.min(remainingMs, LEASE_WAIT_MS)) : LEASE_WAIT_MS
    return { kind: 'again', delayMs: untilFree, elsewhere: false }
  }
  // Another host may be able to isolate so much: placement says so when none is.
  if (failure.code === 'isolation-unavailable')
    return { kind: 'again', delayMs: backoffMs(attempts), elsewhere: true }
  switch (failure.kind) {
    case 'unavailable':
      return { kind: 'again', delayMs: backoffMs(attempts), elsewhere: true }
    case 'fenced':
      return { kind: 'again', delayMs: backoffMs(attempts), elsewhere: false }
    case 'refused':
    case 'broken':
      return { kind: 'fail' }
  }
}

export function backoffMs(attempts: number): number {
  return Math.min(DELAY_MS_MAX, DELAY_MS_FIRST * 2 ** Math.min(16, attempts - 1))
}

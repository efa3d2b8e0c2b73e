import { errnoOf } from '@holdfast/base/errno'
import { Failure, type FailureDetails } from '@holdfast/base/failure'
import { HoldfastError } from '@holdfast/client/holdfast-error'
import type { FailureCode } from '@holdfast/protocol/failures'
import type { Paint } from './paint.ts'
import { printable } from './printable.ts'

/** A failure of this machine or of a server. */
export interface Told {
  /** Of the closed table, unless a newer server said it. */
  readonly code: string
  readonly message: string
  readonly details: FailureDetails
  readonly hint: string
  readonly retryable: boolean
  /** Names the request in the server's log. */
  readonly requestId?: string | null
}

const CODE_OF_ERRNO: Readonly<Record<string, FailureCode>> = {
  ENOENT: 'not-found',
  ENOTDIR: 'not-found',
  EEXIST: 'already-exists',
  ENOTEMPTY: 'not-empty',
  EACCES: 'no-permission',
  EPERM: 'no-permission',
  EROFS: 'no-permission',
  ENOSPC: 'volume-full',
  EDQUOT: 'volume-full',
  EIO: 'source-failed',
  EMFILE: 'source-failed',
  ENFILE: 'source-failed',
}

/**
 * Anything that was thrown as a failure to tell: a server's as it is, a system error by its errno, everything else as `internal`. Where closing
 * something failed too, the failure that came first is the one to tell.
 */
export function asFailure(error: unknown): Told {
  if (error instanceof Failure || error instanceof HoldfastError) return error
  if (error instanceof SuppressedError) return asFailure(error.suppressed)
  const code = CODE_OF_ERRNO[errnoOf(error) ?? '']
  const message = error instanceof Error ? error.message : String(error)
  return new Failure(code ?? 'internal', message, {}, error)
}

/** A failure for a person: what happened, then what to do next. */
export function failureText(failure: Told, paint: Paint): string {
  return `${paint('red', 'hold:')} ${printable(failure.message)}\n  ${paint('cyan', '→')} ${failure.hint}\n`
}

/** A failure for a program, one line. */
export function failureJson(failure: Told): string {
  const { code, message, details, hint, retryable, requestId } = failure
  const request = requestId ? { requestId } : {}
  return `${JSON.stringify({ error: { code, message, details, hint, retryable, ...request } })}\n`
}

/** The stacks of a failure and of its causes, for HOLDFAST_DEBUG. */
export function failureStack(error: unknown): string {
  const stacks: string[] = []
  for (let each: unknown = error; each instanceof Error && stacks.length < CAUSES_MAX; each = each.cause)
    stacks.push(each.stack ?? each.message)
  return `${stacks.join('\ncaused by ')}\n`
}

const CAUSES_MAX = 8

import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import type { ErrorBody } from '@holdfast/protocol/rest/ground'

export type ErrorDetails = ErrorBody['error']['details']

/** Codes of docs/failures.md; a newer server may know more. */
export type ErrorCode = FailureCode | (string & {})

interface ErrorFacts {
  readonly code: ErrorCode
  readonly message: string
  readonly status?: number
  readonly hint?: string
  readonly details?: ErrorDetails
  readonly requestId?: string | null
  readonly retryable?: boolean
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/** What the server refused or could not do, or that it did not answer. */
export class HoldfastError extends Error {
  readonly code: ErrorCode
  /** What to do next. */
  readonly hint: string
  readonly details: ErrorDetails
  /** Names the request in the server's log; null where no server answered. */
  readonly requestId: string | null
  /** True: the same call may succeed later. */
  readonly retryable: boolean
  /** Of the HTTP answer; 0 where there was none. */
  readonly status: number
  /** How long the server asks to wait. */
  readonly retryAfterMs: number | undefined

  constructor(facts: ErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause })
    const known = isFailureCode(facts.code) ? FAILURES[facts.code] : undefined
    this.name = 'HoldfastError'
    this.code = facts.code
    this.hint = facts.hint ?? known?.hint ?? ''
    this.details = facts.details ?? {}
    this.requestId = facts.requestId ?? null
    this.retryable = facts.retryable ?? known?.kind === 'unavailable'
    this.status = facts.status ?? 0
    this.retryAfterMs = facts.retryAfterMs
  }
}

export function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(FAILURES, code)
}

/** The refusal in an answer whose status is not a success. */
export async function errorOfResponse(response: Response): Promise<HoldfastError> {
  const text = await response.text().catch(() => '')
  const retryAfterMs = retryAfterMsOf(response)
  const { status } = response
  const error = parseErrorBody(text)
  if (error === undefined) {
    return new HoldfastError({
      code: codeOfStatus(status),
      message: `${response.url} answered ${status} without a reason that this client understands`,
      requestId: response.headers.get('x-request-id'),
      status,
      retryAfterMs,
    })
  }
  return new HoldfastError({
    code: error.code.replaceAll('_', '-'),
    message: error.message,
    hint: error.hint,
    details: error.details,
    requestId: error.request_id,
    retryable: error.retryable,
    status,
    retryAfterMs,
  })
}

function parseErrorBody(text: string): ErrorBody['error'] | undefined {
  try {
    const body: unknown = JSON.parse(text)
    const error = (body as Partial<ErrorBody> | null)?.error
    return typeof error?.code === 'string' && typeof error.message === 'string' ? error : undefined
  } catch {
    return undefined
  }
}

/** What a proxy in between means by its status. */
function codeOfStatus(status: number): FailureCode {
  switch (status) {
    case 401:
      return 'unauthenticated'
    case 403:
      return 'forbidden'
    case 404:
      return 'not-found'
    case 413:
      return 'too-large'
    case 421:
      return 'misdirected'
    case 429:
      return 'too-many-requests'
    case 502:
      return 'server-unreachable'
    case 503:
      return 'overloaded'
    case 504:
      return 'timed-out'
    default:
      return 'internal'
  }
}

function retryAfterMsOf(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}

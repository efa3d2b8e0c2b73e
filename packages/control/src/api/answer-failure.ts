import { Failure, isFailure } from '@holdfast/base/failure'
import { FAILURES } from '@holdfast/protocol/failures'
import type { ErrorBody } from '@holdfast/protocol/rest/ground'
import { z } from 'zod'

const RETRY_AFTER_S = 1
const ISSUES_SHOWN_MAX = 5

export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ErrorBody
}

/** A failure as the caller sees it. What is no failure of the table is a defect, of which only the fact is told. */
export function refusalOf(error: unknown, requestId: string): Refusal {
  const failure = asFailure(error)
  const { code, message, details, hint, retryable } = failure
  return {
    status: FAILURES[code].http,
    headers: retryable ? { 'retry-after': String(RETRY_AFTER_S) } : {},
    body: {
      error: {
        code: code.replaceAll('-', '_'),
        message,
        hint,
        details: { ...details },
        request_id: requestId,
        retryable,
      },
    },
  }
}

export function isDefect(error: unknown): boolean {
  return !(error instanceof z.ZodError) && (!isFailure(error) || error.code === 'internal')
}

function asFailure(error: unknown): Failure {
  if (error instanceof z.ZodError) return shapeFailure(error)
  if (isFailure(error) && error.code !== 'internal') return error
  return new Failure('internal', 'this request met a defect')
}

function shapeFailure(error: z.ZodError): Failure {
  const issues = error.issues.slice(0, ISSUES_SHOWN_MAX)
  const words = issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join('.')}: ${message}` : message,
  )
  const argument = issues[0]?.path.join('.') ?? ''
  return new Failure('invalid-argument', words.join('; '), argument === '' ? {} : { argument })
}

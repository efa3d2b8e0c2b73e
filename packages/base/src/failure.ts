import { FAILURES, type FailureCode, type FailureKind } from '@holdfast/protocol/failures'

/** Facts about one failure, in plain values that may be printed and serialised. */
export type FailureDetails = Readonly<Record<string, string | number | boolean | null>>

/** The one error class: a code from the closed table, a sentence, and the facts. */
export class Failure extends Error {
  readonly code: FailureCode
  readonly details: FailureDetails

  constructor(code: FailureCode, message: string, details: FailureDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'Failure'
    this.code = code
    this.details = details
  }

  get kind(): FailureKind {
    return FAILURES[this.code].kind
  }

  get hint(): string {
    return FAILURES[this.code].hint
  }

  get retryable(): boolean {
    return this.kind === 'unavailable'
  }
}

/** True if `error` is a Failure with one of `codes` (any code when none is named). */
export function isFailure(error: unknown, ...codes: readonly FailureCode[]): error is Failure {
  return error instanceof Failure && (codes.length === 0 || codes.includes(error.code))
}

/** The failure as plain values, to cross a thread or a process. */
export function failureToWire(error: unknown): {
  code: FailureCode
  message: string
  details: FailureDetails
} {
  if (error instanceof Failure) return { code: error.code, message: error.message, details: error.details }
  return {
    code: 'internal',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    details: {},
  }
}

import { Failure, isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'

/** SQLSTATEs, https://www.postgresql.org/docs/15/errcodes-appendix.html; all others are `index-unavailable`. */
const CODES: ReadonlyMap<string, FailureCode> = new Map([
  ['42501', 'no-permission'],
  ['28000', 'no-permission'],
  ['28P01', 'no-permission'],
  ['53100', 'volume-full'],
  ['XX001', 'history-corrupt'], // data_corrupted
  ['XX002', 'history-corrupt'], // index_corrupted
  ['22021', 'invalid-argument'], // text without a form in the encoding of the database
])

/**
 * What a transaction meets that ran beside another one, and that begun anew sees what the other wrote: serialisation,
 * deadlock, and the row that both wanted to be the first to write.
 */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01', '23505'])

function sqlStateOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

export function isConflict(failure: Failure): boolean {
  return CONFLICTS.has(String(failure.details.sqlState))
}

/** True when the server said nothing: what it did is unknown, and so is what it will say on that connection. */
export function isUnanswered(error: unknown): boolean {
  return isFailure(error, 'index-unavailable') && !/^[0-9A-Z]{5}$/.test(String(error.details.sqlState))
}

/** The failure for whatever `pg` rejects with. */
export function postgresFailure(error: unknown): Failure {
  const sqlState = sqlStateOf(error) ?? ''
  const message = error instanceof Error ? error.message : String(error)
  return new Failure(CODES.get(sqlState) ?? 'index-unavailable', `history: ${message}`, { sqlState }, error)
}

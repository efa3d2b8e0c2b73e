import { Failure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'

/** Primary result codes, https://www.sqlite.org/rescode.html; all others are `index-unavailable`. */
const CODES: ReadonlyMap<number, FailureCode> = new Map([
  [3, 'no-permission'], // SQLITE_PERM
  [8, 'no-permission'], // SQLITE_READONLY
  [14, 'no-permission'], // SQLITE_CANTOPEN
  [13, 'volume-full'], // SQLITE_FULL
  [11, 'history-corrupt'], // SQLITE_CORRUPT
  [26, 'history-corrupt'], // SQLITE_NOTADB
])

const SQLITE_IOERR = 10

/** The extended result code of an error of `node:sqlite`; undefined for any other error. */
function resultCodeOf(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode
    : undefined
}

/**
 * True after a failed read, write or sync: the kernel may have dropped what it could not write and report success the
 * next time, so these descriptors prove nothing any more.
 */
export function spoilsConnection(error: unknown): boolean {
  const code = resultCodeOf(error)
  return code !== undefined && (code & 0xff) === SQLITE_IOERR
}

/** The failure for an error of `node:sqlite`; any other error is returned as it is. */
export function sqliteFailure(error: unknown, path: string): unknown {
  const code = resultCodeOf(error)
  if (code === undefined || !(error instanceof Error)) return error
  const failureCode = CODES.get(code & 0xff) ?? 'index-unavailable'
  return new Failure(failureCode, `history ${path}: ${error.message}`, { path, sqliteCode: code }, error)
}

import { constants } from 'node:os'

/** Node's word for an error number that its event loop has no name for, such as that of a used-up quota. */
const NAMELESS = 'UNKNOWN'

/** The failure code of a Node system error, such as `ENOSPC`; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  if (error.code !== NAMELESS || !('errno' in error)) return error.code
  const number = error.errno
  const named = Object.entries(constants.errno).find(([, value]) => value === -Number(number))
  return named?.[0] ?? error.code
}

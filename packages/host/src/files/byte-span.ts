import { Failure } from '@holdfast/base/failure'

/** A part of a file. */
export interface ByteSpan {
  readonly start: number
  readonly length: number
  /** Asked for as a range. */
  readonly isPart: boolean
}

/**
 * One range of HTTP (RFC 9110 §14), cut to the file; several at once are answered with all of it. Rejects with
 * `invalid-argument` for one that begins behind the end.
 */
export function parseRange(header: string | undefined, bytes: number): ByteSpan {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (from === '' && to === '') return { start: 0, length: bytes, isPart: false }
  const start = from === '' ? Math.max(0, bytes - Number(to)) : Number(from)
  const end = from === '' || to === '' ? bytes : Math.min(bytes, Number(to) + 1)
  if (start < end) return { start, length: end - start, isPart: true }
  throw new Failure('invalid-argument', `the file has ${bytes} bytes: ${header} is outside`, { bytes })
}

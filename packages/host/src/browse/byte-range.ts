import { Failure } from '@holdfast/base/failure'

/** From `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * The bytes that a `range` header asks for of so many; undefined for all of them: without one, with several ranges, or in
 * a unit that is not bytes. Rejects with `invalid-argument` for a range outside.
 */
export function parseByteRange(header: string | undefined, bytes: number): ByteRange | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return undefined
  const start = first === '' ? Math.max(0, bytes - Number(last)) : Number(first)
  const end = first === '' || last === '' ? bytes : Math.min(bytes, Number(last) + 1)
  if (start < end) return { start, end }
  throw new Failure('invalid-argument', `of ${bytes} bytes there is none in the range ${header}`, { bytes })
}

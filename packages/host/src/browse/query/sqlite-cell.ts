import type { SQLOutputValue } from 'node:sqlite'

export interface Cell {
  readonly value: string | number | null
  readonly isCut: boolean
}

/** A value as JSON can carry it: what a number cannot hold is a string, and a blob is written as SQL writes it. */
export function cellOf(value: SQLOutputValue, bytesMax: number): Cell {
  if (value === null) return { value, isCut: false }
  if (typeof value === 'bigint') {
    const isSafe = value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    return { value: isSafe ? Number(value) : String(value), isCut: false }
  }
  if (typeof value === 'number')
    return { value: Number.isFinite(value) ? value : String(value), isCut: false }
  if (typeof value === 'string') return { value: value.slice(0, bytesMax), isCut: value.length > bytesMax }
  const bytes = Buffer.from(value.buffer, value.byteOffset, Math.min(value.byteLength, bytesMax))
  return { value: `x'${bytes.toString('hex').toUpperCase()}'`, isCut: value.byteLength > bytesMax }
}

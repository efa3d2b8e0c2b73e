import { Failure } from '@holdfast/base/failure'

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** A whole number of an option. Rejects with `invalid-argument`. */
export function parseCount(
  name: string,
  text: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= bounds.min && value <= bounds.max) return value
  throw new Failure(
    'invalid-argument',
    `${name} is a whole number from ${bounds.min} to ${bounds.max}, not ${text}`,
    { option: name },
  )
}

/** `500ms`, `30s`, `10m`, `1h`, `7d` in milliseconds. Rejects with `invalid-argument`. */
export function parseDurationMs(
  name: string,
  text: string,
  bounds: { readonly minMs: number; readonly maxMs: number },
): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  const value = Number(match?.[1]) * (DURATION_UNITS_MS[match?.[2] ?? ''] ?? Number.NaN)
  if (value >= bounds.minMs && value <= bounds.maxMs) return value
  const range = `${bounds.minMs / 1000}s to ${bounds.maxMs / 1000}s`
  throw new Failure(
    'invalid-argument',
    `${name} is a duration such as 500ms, 30s or 10m from ${range}, not ${text}`,
    {
      option: name,
    },
  )
}

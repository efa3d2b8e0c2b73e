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

const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
}

/** `512M`, `2G`, `1048576` in bytes, by powers of 1024 as container tools have it. Throws `invalid-argument`. */
export function parseSizeBytes(name: string, text: string): number {
  const match = /^(\d{1,12})([KMGT]?)i?B?$/i.exec(text)
  const bytes = Number(match?.[1]) * (SIZE_UNITS_BYTES[match?.[2]?.toUpperCase() ?? ''] ?? Number.NaN)
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw new Failure('invalid-argument', `${name} is a size such as 512M or 2G, not ${text}`, {
    option: name,
  })
}

/** `K=V`, as often as it was given, as a record. Throws `invalid-argument`. */
export function parsePairs(name: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=')
      if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)]
      throw new Failure('invalid-argument', `${name} takes NAME=VALUE, not ${text}`, { option: name })
    }),
  )
}

/** One of a few words. Throws `invalid-argument`. */
export function parseChoice<Word extends string>(
  name: string,
  text: string | undefined,
  words: readonly Word[],
): Word | undefined {
  const found = words.find((word) => word === text)
  if (text === undefined || found !== undefined) return found
  throw new Failure('invalid-argument', `${name} is one of ${words.join(', ')}, not ${text}`, {
    option: name,
  })
}

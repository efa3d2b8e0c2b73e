import assert from 'node:assert/strict'
import { isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import fc from 'fast-check'

/** What a parser may say about bytes that it refuses. */
const REFUSALS = [
  'foreign-format',
  'version-unknown',
  'object-corrupt',
] as const satisfies readonly FailureCode[]

/**
 * Runs a parser over bytes that nobody vouches for: it returns a value or a named failure. `more` are codes that it
 * may use besides those for damage.
 */
function parseHostile<T>(parse: () => T, more: readonly FailureCode[] = []): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (isFailure(error, ...REFUSALS, ...more)) return undefined
    throw error
  }
}

/** Every truncation of `valid`, one after another, has to be refused or understood. */
export function everyTruncation(valid: Uint8Array, parse: (bytes: Uint8Array) => unknown): void {
  for (let length = 0; length < valid.length; length++) {
    parseHostile(() => parse(Uint8Array.from(valid.subarray(0, length))))
  }
}

/** Every byte of `valid`, replaced by a few others, one at a time. `check` sees what was understood all the same. */
export function everyMutation<T>(
  valid: Uint8Array,
  parse: (bytes: Uint8Array) => T,
  check: (value: T) => void = () => {},
): void {
  for (let at = 0; at < valid.length; at++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff, (valid[at] ?? 0) ^ 1]) {
      if (value === valid[at]) continue
      const bytes = Uint8Array.from(valid)
      bytes[at] = value
      const parsed = parseHostile(() => parse(bytes))
      if (parsed !== undefined) check(parsed)
    }
  }
}

/** Bytes at random, and `valid` with words overwritten by values that counts and lengths dislike. */
export function hostileBytes(valid: Uint8Array): fc.Arbitrary<Uint8Array> {
  const word = fc.oneof(fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff), fc.nat())
  const edits = fc.array(fc.tuple(fc.nat(valid.length), word), { minLength: 1, maxLength: 4 })
  const mutated = edits.map((changes) => {
    const bytes = Buffer.from(valid)
    for (const [at, value] of changes) if (at + 4 <= bytes.length) bytes.writeUInt32LE(value, at)
    return new Uint8Array(bytes)
  })
  const headed = fc.uint8Array({ maxLength: 300 }).map((tail) => Buffer.concat([valid.subarray(0, 8), tail]))
  return fc.oneof(
    { weight: 3, arbitrary: mutated },
    { weight: 2, arbitrary: headed },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  )
}

/** Memory that parsing small hostile bytes may take; an allocation by an unchecked count passes it at once. */
const ALLOCATED_BYTES_MAX = 256 << 20

/** Runs `parse` for the whole of `arbitrary` and watches its memory. */
export function fuzzParser<T>(
  arbitrary: fc.Arbitrary<T>,
  parse: (input: T) => unknown,
  options: { readonly seed: number; readonly numRuns: number; readonly more?: readonly FailureCode[] },
): void {
  const before = process.memoryUsage().rss
  fc.assert(
    fc.property(arbitrary, (input) => {
      parseHostile(() => parse(input), options.more)
    }),
    options,
  )
  assert.ok(
    process.memoryUsage().rss - before < ALLOCATED_BYTES_MAX,
    'a parser allocated by an unchecked count',
  )
}

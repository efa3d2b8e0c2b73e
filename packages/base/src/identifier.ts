import type { Randomness } from './randomness.ts'

/** Crockford's base 32 in lower case: no i, l, o, u. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LETTERS = 26

/** A new identifier: the prefix, an underscore, and 26 characters that carry 130 random bits. */
export function newIdentifier(prefix: string, randomness: Randomness): string {
  let text = `${prefix}_`
  for (const byte of randomness.bytes(LETTERS)) text += ALPHABET[byte & 31]
  return text
}

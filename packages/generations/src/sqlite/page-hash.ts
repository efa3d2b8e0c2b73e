import { hash } from 'node:crypto'

export const pageHashBytes = 8

/** The first 8 bytes of the SHA-256 of a page, as two big-endian words. */
export interface PageHash {
  readonly high: number
  readonly low: number
}

export function pageHash(bytes: Uint8Array): PageHash {
  const digest = hash('sha256', bytes, 'buffer')
  return { high: digest.readUInt32BE(0), low: digest.readUInt32BE(4) }
}

/**
 * A page's share of the database checksum: its hash bound to its page number, so that the same bytes on other pages
 * count differently and pages that change places do not cancel out. For each page number a bijection of the hash.
 * Each lane ends in the 32-bit finalizer of MurmurHash3 (https://github.com/aappleby/smhasher, public domain).
 */
export function pageShare(page: number, { high, low }: PageHash): PageHash {
  const mixedHigh = finalize32(high ^ finalize32(page ^ highSeed))
  const mixedLow = finalize32(low ^ finalize32(page ^ mixedHigh ^ lowSeed))
  return { high: mixedHigh, low: mixedLow }
}

// Fractional bits of the square roots of 2 and 3: any two different constants do.
const highSeed = 0x6a09_e667
const lowSeed = 0xbb67_ae85

function finalize32(word: number): number {
  let mixed = word ^ (word >>> 16)
  mixed = Math.imul(mixed, 0x85eb_ca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2_ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

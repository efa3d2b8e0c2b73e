import type { Randomness } from '@holdfast/base/randomness'

/** A source of numbers in [0, 1) that repeats for the same seed: mulberry32 (Tommy Ettinger, public domain). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A source of bytes that repeats for the same seed. */
export function seededRandomness(seed: number): Randomness {
  const next = seededNumbers(seed)
  return { bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) }
}

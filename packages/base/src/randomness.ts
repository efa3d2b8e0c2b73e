import { randomFillSync } from 'node:crypto'

/** A source of random bytes; tests pass a seeded one. */
export interface Randomness {
  bytes(count: number): Uint8Array
}

export const systemRandomness: Randomness = {
  bytes: (count) => randomFillSync(new Uint8Array(count)),
}

import { randomFillSync } from 'node:crypto'

/** A source of random bytes; tests pass a seeded one. */
export interface Randomness {
  bytes(count: number): Uint8Array
}

/** Asked for at once, since each request takes 20 µs however little it is for. */
const POOL_BYTES = 4096

/** Draws on the system's generator. No byte is given twice, nor kept once it is given. */
function pooledRandomness(): Randomness {
  const pool = new Uint8Array(POOL_BYTES)
  let given = POOL_BYTES
  return {
    bytes: (count) => {
      if (count > POOL_BYTES) return randomFillSync(new Uint8Array(count))
      if (given + count > POOL_BYTES) {
        randomFillSync(pool)
        given = 0
      }
      const bytes = pool.slice(given, given + count)
      pool.fill(0, given, given + count)
      given += count
      return bytes
    },
  }
}

export const systemRandomness: Randomness = pooledRandomness()

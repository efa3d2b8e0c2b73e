import { createHash } from 'node:crypto'

/** Bytes that one state of a 32-bit gear hash depends on: older ones have been shifted out. */
export const GEAR_WINDOW_BYTES = 32

const ENTRIES = 256
const ENTRIES_PER_DIGEST = 8

/**
 * The gear table: one 32-bit number for each byte value. Entries 8n … 8n+7 are the big-endian 32-bit words of
 * SHA-256("holdfast gear v1 <n>"), n in decimal from 0 to 31, so anyone can compute the table again. It is part of
 * the format: with other numbers every large file is cut elsewhere and nothing in the store is found again.
 */
export function gearTable(): Int32Array {
  const table = new Int32Array(ENTRIES)
  for (let block = 0; block < ENTRIES / ENTRIES_PER_DIGEST; block++) {
    const digest = createHash('sha256').update(`holdfast gear v1 ${block}`).digest()
    for (let word = 0; word < ENTRIES_PER_DIGEST; word++) {
      table[block * ENTRIES_PER_DIGEST + word] = digest.readInt32BE(word * 4)
    }
  }
  return table
}

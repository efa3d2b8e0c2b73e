const POLYNOMIAL_REFLECTED = 0x82f63b78
const TABLE_COUNT = 4

/** `TABLE[256 * k + b]` is the register after byte `b` and then `k` zero bytes: four bytes take one step. */
const TABLE = buildTable()

function buildTable(): Int32Array {
  const table = new Int32Array(256 * TABLE_COUNT)
  for (let byte = 0; byte < 256; byte++) {
    let register = byte
    for (let bit = 0; bit < 8; bit++) {
      register = (register >>> 1) ^ (register & 1 ? POLYNOMIAL_REFLECTED : 0)
    }
    table[byte] = register
  }
  for (let index = 256; index < table.length; index++) {
    const shorter = table[index - 256] ?? 0
    table[index] = (shorter >>> 8) ^ (table[shorter & 0xff] ?? 0)
  }
  return table
}

/**
 * Moves a CRC-32C (Castagnoli, reflected polynomial 0x82f63b78) register over `bytes[start, end)`, by slicing
 * four bytes at a time. Neither the seed nor the result is inverted: btrfs send uses the bare register from 0;
 * the checksum of RFC 3720 is `~crc32cRegister(-1, …)`. Returns a signed 32-bit integer.
 */
export function crc32cRegister(seed: number, bytes: Buffer, start = 0, end = bytes.length): number {
  let register = seed | 0
  let at = start
  for (; at + 4 <= end; at += 4) {
    const x = register ^ bytes.readInt32LE(at)
    register =
      (TABLE[768 + (x & 0xff)] ?? 0) ^
      (TABLE[512 + ((x >>> 8) & 0xff)] ?? 0) ^
      (TABLE[256 + ((x >>> 16) & 0xff)] ?? 0) ^
      (TABLE[x >>> 24] ?? 0)
  }
  for (; at < end; at++) {
    register = (register >>> 8) ^ (TABLE[(register ^ (bytes[at] ?? 0)) & 0xff] ?? 0)
  }
  return register
}

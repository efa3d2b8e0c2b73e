const MAGIC = 0x184d2204
const BLOCK_STORED = 0x80000000
const LENGTH_EXTENDED = 15
const MATCH_BYTES_MIN = 4

/** How many bytes an LZ4 frame decompresses to (LZ4 frame format 1.6.3), without decompressing it. */
export function lz4FrameBytes(frame: Buffer): number {
  if (frame.length < 7 || frame.readUInt32LE(0) !== MAGIC) throw new Error('not an LZ4 frame')
  const flags = frame.readUInt8(4)
  const blockChecksum = (flags & 0x10) !== 0 ? 4 : 0
  let at = 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0)
  let bytes = 0
  for (let header = frame.readUInt32LE(at); header !== 0; header = frame.readUInt32LE(at)) {
    const length = header & ~BLOCK_STORED
    const start = at + 4
    bytes += header >= BLOCK_STORED ? length : blockBytes(frame.subarray(start, start + length))
    at = start + length + blockChecksum
  }
  return bytes
}

/** A block is sequences of literals and a match; the last one has no match. */
function blockBytes(block: Buffer): number {
  let at = 0
  let bytes = 0
  const lengthFrom = (nibble: number) => {
    let length = nibble
    if (nibble < LENGTH_EXTENDED) return length
    for (let more = 255; more === 255; length += more) more = block.readUInt8(at++)
    return length
  }
  while (at < block.length) {
    const token = block.readUInt8(at++)
    const literals = lengthFrom(token >> 4)
    at += literals
    bytes += literals
    if (at >= block.length) break
    at += 2
    bytes += lengthFrom(token & 15) + MATCH_BYTES_MIN
  }
  return bytes
}

import { assert } from '@holdfast/base/assert'
import { GEAR_WINDOW_BYTES, gearTable } from './gear.ts'

/** How large chunks are. min < average < max, min at least 64, average a power of two from 128 bytes to 64 MiB. */
export interface ChunkSizes {
  readonly chunkBytesMin: number
  readonly chunkBytesAverage: number
  readonly chunkBytesMax: number
}

/** On random bytes chunks then average 73 KiB. */
export const DEFAULT_CHUNK_SIZES: ChunkSizes = {
  chunkBytesMin: 16 * 1024,
  chunkBytesAverage: 64 * 1024,
  chunkBytesMax: 256 * 1024,
}

/** Bits by which the mask is harder before the average size and easier after it: the paper's level 2. */
const NORMALISATION_LEVEL = 2
const AVERAGE_BITS_MIN = 7
const AVERAGE_BITS_MAX = 26

const GEAR = gearTable()

/**
 * The offset at which the chunk that starts at `start` ends, looking at no byte from `end` on. A result below `end`
 * stays the same whatever follows. A result equal to `end` is a cut only if the input ends there or the chunk is
 * `chunkBytesMax` long: otherwise call again with more bytes.
 *
 * FastCDC with normalised chunking (Xia et al., USENIX ATC 2016) and a 32-bit gear hash. The hash is warmed up before
 * the first possible cut, so whether a cut may fall at an offset depends on the 32 bytes before it, and on the chunk's
 * start only through the sizes. 1.6 GB/s over random bytes on one core of 2.5 GHz.
 */
export function nextCut(
  bytes: Uint8Array,
  start: number,
  end: number,
  sizes: ChunkSizes = DEFAULT_CHUNK_SIZES,
): number {
  assert(0 <= start && start < end && end <= bytes.length, 'a chunk starts inside its bytes')
  const bits = averageBits(sizes)
  const limit = Math.min(end, start + sizes.chunkBytesMax)
  const centre = Math.min(limit, start + sizes.chunkBytesAverage)
  const first = start + sizes.chunkBytesMin
  if (first >= limit) return limit
  const early = firstMatch(bytes, first, centre, highBits(bits + NORMALISATION_LEVEL))
  if (early !== NO_MATCH) return early
  const late = firstMatch(bytes, centre + 1, limit, highBits(bits - NORMALISATION_LEVEL))
  return late === NO_MATCH ? limit : late
}

/** The end offset of every chunk of `bytes`, ascending; the last one is `bytes.length`. No bytes have no chunk. */
export function cutPoints(bytes: Uint8Array, sizes: ChunkSizes = DEFAULT_CHUNK_SIZES): number[] {
  const cuts: number[] = []
  for (let start = 0; start < bytes.length; ) {
    start = nextCut(bytes, start, bytes.length, sizes)
    cuts.push(start)
  }
  return cuts
}

const NO_MATCH = -1
const STEP_BYTES = 8

/** The first offset in [from, to] whose 32 preceding bytes hash to zero under `mask`; -1 if there is none. */
function firstMatch(bytes: Uint8Array, from: number, to: number, mask: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let hash = stateBefore(bytes, from)
  let at = from - 1
  // Whole words, eight bytes a turn, the tail in another function: 1.6 GB/s; byte by byte 0.9.
  for (; at + STEP_BYTES <= to; at += STEP_BYTES) {
    const low = view.getInt32(at, true)
    const high = view.getInt32(at + 4, true)
    hash = roll(hash, low & 255)
    if ((hash & mask) === 0) return at + 1
    hash = roll(hash, (low >>> 8) & 255)
    if ((hash & mask) === 0) return at + 2
    hash = roll(hash, (low >>> 16) & 255)
    if ((hash & mask) === 0) return at + 3
    hash = roll(hash, low >>> 24)
    if ((hash & mask) === 0) return at + 4
    hash = roll(hash, high & 255)
    if ((hash & mask) === 0) return at + 5
    hash = roll(hash, (high >>> 8) & 255)
    if ((hash & mask) === 0) return at + 6
    hash = roll(hash, (high >>> 16) & 255)
    if ((hash & mask) === 0) return at + 7
    hash = roll(hash, high >>> 24)
    if ((hash & mask) === 0) return at + 8
  }
  return firstMatchBytewise(bytes, at + 1, to, mask)
}

function firstMatchBytewise(bytes: Uint8Array, from: number, to: number, mask: number): number {
  let hash = stateBefore(bytes, from)
  for (let at = from; at <= to; at++) {
    hash = roll(hash, bytes[at - 1] ?? 0)
    if ((hash & mask) === 0) return at
  }
  return NO_MATCH
}

/** The hash over the bytes before the last one before `offset`. */
function stateBefore(bytes: Uint8Array, offset: number): number {
  let hash = 0
  for (let at = offset - GEAR_WINDOW_BYTES; at < offset - 1; at++) hash = roll(hash, bytes[at] ?? 0)
  return hash
}

function roll(hash: number, byte: number): number {
  return ((hash << 1) + (GEAR[byte] ?? 0)) | 0
}

/** The `bits` highest ones: high bits are those that the most bytes have reached. */
function highBits(bits: number): number {
  return -1 << (32 - bits)
}

function averageBits(sizes: ChunkSizes): number {
  const { chunkBytesMin: min, chunkBytesAverage: average, chunkBytesMax: max } = sizes
  const bits = Math.log2(average)
  assert(Number.isInteger(bits), 'the average chunk size is a power of two')
  assert(
    bits >= AVERAGE_BITS_MIN && bits <= AVERAGE_BITS_MAX,
    'the average chunk size is 128 bytes to 64 MiB',
  )
  assert(min >= 2 * GEAR_WINDOW_BYTES && min < average && average < max, 'chunk sizes are in order')
  return bits
}

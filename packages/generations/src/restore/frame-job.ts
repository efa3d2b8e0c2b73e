import type { ByteString } from '../format/byte-string.ts'
import { CHUNK_ID_BYTES } from '../format/chunk-id.ts'
import type { FrameCodec } from '../format/chunk-table.ts'
import type { Piece, PlannedFrame } from './restore-plan.ts'

/** One frame of a fetched range, with its pieces as columns: crossing to another thread costs four copies. */
export interface FrameWork {
  readonly ordinal: number
  readonly codec: FrameCodec
  readonly rawBytes: number
  readonly crc32: number
  /** Where the stored frame lies in the fetched bytes. */
  readonly start: number
  readonly storedBytes: number
  readonly paths: string
  readonly ids: string
  /** offset, bytes, position, whole (1 or 0), page bytes of each piece. */
  readonly numbers: Float64Array
}

/** A range of a pack and what to do with it. */
export interface RangeWork {
  readonly pack: string
  readonly bytes: Uint8Array
  readonly frames: readonly FrameWork[]
}

const NUMBERS = 5

export function packPieces(planned: PlannedFrame, rangeStart: number): FrameWork {
  const { frame, pieces } = planned
  const numbers = new Float64Array(pieces.length * NUMBERS)
  pieces.forEach((piece, index) => {
    const { offset, bytes, position, whole, pageBytes } = piece
    numbers.set([offset, bytes, position, whole ? 1 : 0, pageBytes], index * NUMBERS)
  })
  return {
    ordinal: frame.ordinal,
    codec: frame.codec,
    rawBytes: frame.rawBytes,
    crc32: frame.crc32,
    start: frame.offset - rangeStart,
    storedBytes: frame.storedBytes,
    paths: pieces.map(({ path }) => path).join('\0'),
    ids: pieces.map(({ id }) => id).join(''),
    numbers,
  }
}

export function* unpackPieces(work: FrameWork): Iterable<Piece> {
  const paths: ByteString[] = work.paths.split('\0')
  for (const [index, path] of paths.entries()) {
    const at = index * NUMBERS
    yield {
      path,
      id: work.ids.slice(index * CHUNK_ID_BYTES, (index + 1) * CHUNK_ID_BYTES),
      offset: work.numbers[at] ?? 0,
      bytes: work.numbers[at + 1] ?? 0,
      position: work.numbers[at + 2] ?? 0,
      whole: work.numbers[at + 3] === 1,
      pageBytes: work.numbers[at + 4] ?? 0,
    }
  }
}

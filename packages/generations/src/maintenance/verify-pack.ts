import { Failure } from '@holdfast/base/failure'
import { type ChunkId, chunkIdOf } from '../format/chunk-id.ts'
import type { ChunkTable } from '../format/chunk-table.ts'
import type { FrameCoding } from '../format/frame.ts'
import { decodeGenerationRecord } from '../format/generation-record.ts'
import { encodePackHeader, PACK_HEADER_BYTES, PACK_TRAILER_BYTES } from '../format/pack-trailer.ts'
import type { PackRow } from '../index/generation-index.ts'
import { OpenPack } from './open-pack.ts'
import { decodeRecordList } from './record-list.ts'
import { isOfWholeStore } from './store-refusal.ts'

/** What a full read of a pack found. */
export interface PackVerdict {
  readonly chunks: number
  /** In words; undefined for a pack that is exactly what was written. */
  readonly problem: string | undefined
  /** Chunks that cannot be read; undefined: none of the pack's can. */
  readonly damaged: ReadonlySet<ChunkId> | undefined
  /** The pack's own table, where its end could be read. */
  readonly table: ChunkTable | undefined
}

/**
 * Checks every byte of a pack: header, frames that fill the space up to the footer, their checksums, each chunk against
 * its id, footer, record and trailer against the pack's hash in the index. Throws `wrong-key` only.
 */
export function verifyPack(coding: FrameCoding, row: PackRow, bytes: Uint8Array): PackVerdict {
  try {
    const pack = OpenPack.parse(coding, row, bytes)
    const { table } = pack.end
    const framing = framingProblem(pack, bytes)
    const damaged = new Set<ChunkId>()
    let problem = framing ?? recordProblem(pack)
    for (const [frame, chunks] of chunksByFrame(table)) {
      const found = frameProblem(pack, frame, chunks)
      if (found === undefined) continue
      problem ??= found.problem
      for (const id of found.damaged) damaged.add(id)
    }
    return { chunks: table.chunkCount, problem, damaged, table }
  } catch (error) {
    return { chunks: 0, problem: wordsOf(error), damaged: undefined, table: undefined }
  }
}

/** The sentence of a failure that is about the bytes; anything else, such as `wrong-key`, is thrown on. */
export function wordsOf(error: unknown): string {
  if (error instanceof Failure && !isOfWholeStore(error) && error.code !== 'wrong-key')
    return `${error.code}: ${error.message}`
  throw error
}

function framingProblem({ end }: OpenPack, bytes: Uint8Array): string | undefined {
  const { table, trailer } = end
  if (!Buffer.from(encodePackHeader()).equals(bytes.subarray(0, PACK_HEADER_BYTES)))
    return 'object-corrupt: the header is not that of a pack'
  const reserved = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt16LE(bytes.length - 6)
  if (reserved !== 0) return 'object-corrupt: the trailer ends in bytes that no writer leaves'
  if (trailer.frames !== table.frameCount) return 'object-corrupt: the trailer counts other frames'
  let position = PACK_HEADER_BYTES
  for (let index = 0; index < table.frameCount; index++) {
    const { offset, storedBytes, ordinal } = table.frame(index)
    if (offset !== position || ordinal !== index)
      return `object-corrupt: frame ${index} is not where the last one ends`
    position += storedBytes
  }
  const tail = trailer.footer.storedBytes + (trailer.record?.storedBytes ?? 0)
  const isFilled = position === trailer.footerOffset && position + tail + PACK_TRAILER_BYTES === bytes.length
  return isFilled ? undefined : 'object-corrupt: the frames do not end where the footer begins'
}

/** A record at the end is a generation record, or compaction's list of those in the pack. */
function recordProblem({ end }: OpenPack): string | undefined {
  try {
    if (end.record && decodeRecordList(end.record) === undefined) decodeGenerationRecord(end.record)
    return undefined
  } catch (error) {
    return wordsOf(error)
  }
}

/** Every frame with the positions of its chunks in the table; a frame without chunks too. */
function chunksByFrame(table: ChunkTable): ReadonlyMap<number, readonly number[]> {
  const frames = new Map<number, number[]>()
  for (let frame = 0; frame < table.frameCount; frame++) frames.set(frame, [])
  for (let index = 0; index < table.chunkCount; index++) {
    const { frame } = table.place(index)
    const chunks = frames.get(frame) ?? []
    chunks.push(index)
    frames.set(frame, chunks)
  }
  return frames
}

function frameProblem(
  pack: OpenPack,
  frame: number,
  chunks: readonly number[],
): { readonly problem: string; readonly damaged: readonly ChunkId[] } | undefined {
  const { table } = pack.end
  try {
    const raw = pack.frame(frame)
    const wrong = chunks.filter((index) => {
      const { offset, bytes } = table.place(index)
      return chunkIdOf(raw.subarray(offset, offset + bytes)) !== table.id(index)
    })
    if (wrong.length === 0) return undefined
    const damaged = wrong.map((index) => table.id(index))
    return { problem: `chunk-corrupt: ${wrong.length} chunks of frame ${frame} have other bytes`, damaged }
  } catch (error) {
    return { problem: wordsOf(error), damaged: chunks.map((index) => table.id(index)) }
  }
}

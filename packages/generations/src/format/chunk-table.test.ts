import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { chunkIds } from '@holdfast/testkit/entry-arbitraries'
import fc from 'fast-check'
import type { ChunkId } from './chunk-id.ts'
import { ChunkTable, encodeChunkTable, type TableChunk, type TableContents } from './chunk-table.ts'

const PACK = { name: 'org/ws/1/00', bytes: 1000, sha256: 'ab'.repeat(32) }
const FRAME = {
  pack: 0,
  offset: 8,
  storedBytes: 5,
  rawBytes: 9,
  codec: 'zstd',
  ordinal: 0,
  crc32: 77,
} as const
const corrupt = (error: unknown) => isFailure(error, 'object-corrupt')

function tableOf(ids: readonly ChunkId[]): ChunkTable {
  const chunks = ids.map((id, index): TableChunk => ({ id, frame: 0, offset: index, bytes: index + 1 }))
  return new ChunkTable(encodeChunkTable({ packs: [PACK], frames: [FRAME], chunks }))
}

/** An id whose first word and remaining bytes are chosen. */
function idOf(word: number, rest: number): ChunkId {
  const bytes = Buffer.alloc(32)
  bytes.writeUInt32BE(word)
  bytes.writeUInt32BE(rest, 28)
  return bytes.toString('latin1')
}

function findsAllAndNoOther(ids: readonly ChunkId[], others: readonly ChunkId[]): void {
  const table = tableOf(ids)
  const linear = new Map(ids.map((id, index) => [id, { frame: 0, offset: index, bytes: index + 1 }]))
  for (const id of [...ids, ...others]) assert.deepEqual(table.find(id), linear.get(id))
}

describe('a chunk table', () => {
  test('finds what a linear search finds', () => {
    const ids = fc.uniqueArray(chunkIds, { maxLength: 60 })
    fc.assert(fc.property(ids, fc.array(chunkIds, { maxLength: 10 }), findsAllAndNoOther))
  })

  test('finds what a linear search finds also where ids are not spread evenly', () => {
    const near = fc.tuple(
      fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff),
      fc.nat(20),
    )
    const clustered = near.map(([word, rest]) => idOf(word, rest))
    const ids = fc.uniqueArray(clustered, { maxLength: 100 })
    fc.assert(fc.property(ids, fc.array(clustered, { maxLength: 10 }), findsAllAndNoOther))
  })

  test('of no chunk, one and two answers for each side of them', () => {
    const outside = [idOf(0, 0), idOf(5, 5), idOf(0xffff_ffff, 0xffff_ffff)]
    findsAllAndNoOther([], outside)
    findsAllAndNoOther([idOf(5, 4)], outside)
    findsAllAndNoOther([idOf(5, 4), idOf(5, 6)], outside)
    findsAllAndNoOther([idOf(0, 0), idOf(0xffff_ffff, 0xffff_ffff)], [idOf(5, 5)])
  })

  test('whose ids were chosen to mislead the search answers in logarithmic time all the same', () => {
    const ids = Array.from({ length: 200_000 }, (_, index) => idOf(0, index))
    const table = tableOf([...ids, idOf(0xffff_ffff, 0)])
    for (const index of [0, 1, 99_999, 199_999]) assert.equal(table.find(idOf(0, index))?.offset, index)
    for (let miss = 0; miss < 5000; miss++) assert.equal(table.find(idOf(1, miss)), undefined)
  })

  test('gives packs, frames and places back as they were put in', () => {
    const crc = fc.integer({ min: 0, max: 0xffff_ffff })
    const frames = fc.array(
      fc.record(
        {
          pack: fc.nat(1),
          offset: crc,
          storedBytes: crc,
          rawBytes: crc,
          codec: fc.constantFrom('raw' as const, 'zstd' as const),
          ordinal: fc.nat(0xff_ffff),
          crc32: crc,
        },
        { noNullPrototype: true },
      ),
      { maxLength: 10 },
    )
    fc.assert(
      fc.property(frames, (framesIn) => {
        const packs = [PACK, { ...PACK, name: 'org/ws/1/01', sha256: '' }]
        const contents: TableContents = { packs, frames: framesIn, chunks: [] }
        const table = new ChunkTable(encodeChunkTable(contents))
        assert.deepEqual(table.packs, packs)
        assert.deepEqual(
          framesIn.map((_, index) => table.frame(index)),
          framesIn,
        )
        assert.equal(table.frameCount, framesIn.length)
      }),
    )
  })

  test('names a frame or a pack that it does not hold as damage', () => {
    const chunks: TableChunk[] = [{ id: idOf(1, 1), frame: 3, offset: 0, bytes: 1 }]
    const table = new ChunkTable(encodeChunkTable({ packs: [PACK], frames: [{ ...FRAME, pack: 9 }], chunks }))
    const place = table.find(idOf(1, 1))
    assert.throws(() => table.frame(place?.frame ?? 0), corrupt)
    assert.throws(() => table.packOf(table.frame(0)), corrupt)
  })

  test('whose columns overlap, or leave bytes between them, is refused', () => {
    const valid = Buffer.from(
      encodeChunkTable({
        packs: [PACK],
        frames: [FRAME],
        chunks: [{ id: idOf(1, 1), frame: 0, offset: 0, bytes: 1 }],
      }),
    )
    for (const [at, value] of [
      [12, 0],
      [12, 2],
      [12, 0xffff_ffff],
      [16, 0],
      [16, 0xffff_ffff],
      [8, 2],
      [8, 0xffff_ffff],
    ] as const) {
      const bytes = Buffer.from(valid)
      bytes.writeUInt32LE(value, at)
      assert.throws(() => new ChunkTable(bytes), corrupt, `${value} at ${at}`)
    }
    assert.throws(() => new ChunkTable(valid.subarray(0, -1)), corrupt)
    assert.throws(() => new ChunkTable(Buffer.concat([valid, Buffer.of(0)])), corrupt)
  })

  test('of another version, or other bytes altogether, is refused by name', () => {
    const bytes = Buffer.from(encodeChunkTable({ packs: [], frames: [], chunks: [] }))
    bytes.writeUInt16LE(2, 4)
    assert.throws(
      () => new ChunkTable(bytes),
      (error) => isFailure(error, 'version-unknown'),
    )
    assert.throws(
      () => new ChunkTable(Buffer.from('not a table at all')),
      (error) => isFailure(error, 'foreign-format'),
    )
  })
})

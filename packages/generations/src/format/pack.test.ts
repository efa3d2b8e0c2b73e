import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import { seededRandomness } from '@holdfast/testkit/seeded-numbers'
import fc from 'fast-check'
import { ChunkReader } from '../read/chunk-reader.ts'
import { readPackEnd } from '../read/pack-reader.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { chunkIdOf } from './chunk-id.ts'
import { ChunkIndex } from './chunk-index.ts'
import { ChunkTable } from './chunk-table.ts'
import { FRAME_BYTES_TARGET, type FrameCoding } from './frame.ts'
import { createFrameSeal } from './frame-seal.ts'
import { packKey } from './names.ts'
import {
  type BuiltPack,
  type FrameGroup,
  PACK_BYTES_TARGET,
  PACK_CHUNKS_TARGET,
  PackBuilder,
} from './pack-builder.ts'
import { PACK_TRAILER_BYTES } from './pack-trailer.ts'

const OPEN: FrameCoding = { seal: null }
const SEALED: FrameCoding = { seal: createFrameSeal(Buffer.alloc(32, 1)) }
const RECORD = Buffer.from('{"format":1}')

interface Added {
  readonly bytes: Uint8Array
  readonly group: FrameGroup
}

function build(coding: FrameCoding, chunks: readonly Added[], record?: Uint8Array): BuiltPack[] {
  const packs: BuiltPack[] = []
  let names = 0
  const builder = new PackBuilder({
    coding,
    nextName: () => `org/ws/1/${String(names++).padStart(32, '0')}`,
    onPack: (pack) => packs.push(pack),
  })
  for (const { bytes, group } of chunks) builder.add(chunkIdOf(bytes), bytes, group)
  builder.finish(record)
  return packs
}

async function store(packs: readonly BuiltPack[]): Promise<MemoryObjectStore> {
  const memory = new MemoryObjectStore(systemClock)
  for (const { name, parts } of packs) await memory.put(packKey(name), parts)
  return memory
}

/** A store with one pack, as its object would look after `change`. */
async function storeChanged(pack: BuiltPack, change: (bytes: Buffer) => Buffer): Promise<MemoryObjectStore> {
  const memory = new MemoryObjectStore(systemClock)
  await memory.put(packKey(pack.name), [change(Buffer.concat(pack.parts))])
  return memory
}

const textOf = (label: string): Added => ({ bytes: Buffer.from(label.repeat(9)), group: 'text' })
const fails = (code: FailureCode) => (error: unknown) => isFailure(error, code)

const additions: fc.Arbitrary<Added> = fc
  .record({
    seed: fc.nat(),
    length: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 1, max: 9000 }) },
      { weight: 1, arbitrary: fc.integer({ min: FRAME_BYTES_TARGET - 1, max: FRAME_BYTES_TARGET + 1 }) },
    ),
    group: fc.constantFrom<FrameGroup>('text', 'dense', 'tree', 'pages'),
  })
  .map(({ seed, length, group }) => {
    const word = seededRandomness(seed).bytes(group === 'dense' ? Math.min(length, 4096) : 5)
    return { bytes: Buffer.alloc(length, word), group }
  })

describe('a pack', () => {
  for (const [kind, coding] of [
    ['open', OPEN],
    ['sealed', SEALED],
  ] as const) {
    test(`that is ${kind} gives every chunk back, found by its own footer alone`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(additions, { minLength: 1, maxLength: 20 }), async (chunks) => {
          const packs = build(coding, chunks, RECORD)
          const memory = await store(packs)
          const ends = await Promise.all(packs.map((pack) => readPackEnd({ store: memory, coding }, pack)))
          assert.deepEqual(Buffer.from(ends.at(-1)?.record ?? []), RECORD)
          const index = new ChunkIndex(ends.map(({ table }) => table))
          const reader = new ChunkReader({ store: memory, coding, index })
          for (const { bytes } of chunks)
            assert.ok(Buffer.from(await reader.read(chunkIdOf(bytes))).equals(bytes))
        }),
        { numRuns: process.env.HOLDFAST_LONG ? 1_000 : 25 },
      )
    })
  }

  test('is as long, and hashed, as its builder says', async () => {
    const [pack] = build(OPEN, [textOf('a')], RECORD)
    assert.ok(pack)
    const memory = await store([pack])
    assert.equal((await memory.head(packKey(pack.name)))?.bytes, pack.bytes)
    const end = await readPackEnd({ store: memory, coding: OPEN }, { name: pack.name, bytes: pack.bytes })
    assert.equal(end.sha256, pack.sha256)
    assert.equal(new ChunkTable(pack.table).packs[0]?.sha256, pack.sha256)
  })

  test('without chunks or record is not made; with a record alone it is', () => {
    assert.equal(build(OPEN, []).length, 0)
    assert.equal(build(OPEN, [], RECORD).length, 1)
  })

  test('is closed at 16 MiB', () => {
    const random = seededRandomness(3).bytes(1 << 16)
    const chunks = Array.from({ length: 20 }, (_, index): Added => {
      const bytes = Buffer.alloc(FRAME_BYTES_TARGET, random)
      bytes.writeUInt32LE(index)
      return { bytes, group: 'dense' }
    })
    const packs = build(OPEN, chunks)
    assert.equal(packs.length, 2)
    assert.ok((packs[0]?.bytes ?? 0) < PACK_BYTES_TARGET + FRAME_BYTES_TARGET)
  })

  test('of hundreds of thousands of tiny chunks is closed before its footer outgrows one frame', () => {
    const packs: BuiltPack[] = []
    const nextName = () => `org/ws/1/${String(packs.length).padStart(32, '0')}`
    const builder = new PackBuilder({ coding: OPEN, nextName, onPack: (pack) => packs.push(pack) })
    const id = Buffer.alloc(32)
    for (let index = 0; index < PACK_CHUNKS_TARGET + FRAME_BYTES_TARGET / 16; index++) {
      id.writeUInt32BE(Math.imul(index, 0x9e37_79b1) >>> 0)
      id.writeUInt32BE(index, 4)
      builder.add(id.toString('latin1'), id.subarray(0, 16), 'text')
    }
    builder.finish()
    assert.equal(packs.length, 2)
  })

  test('opens with its own key alone, and says so', async () => {
    const sealed = build(SEALED, [textOf('a')])[0]
    const open = build(OPEN, [textOf('a')])[0]
    assert.ok(sealed && open)
    const other = { seal: createFrameSeal(Buffer.alloc(32, 2)) }
    const sealedStore = await store([sealed])
    const openStore = await store([open])
    for (const coding of [other, OPEN])
      await assert.rejects(readPackEnd({ store: sealedStore, coding }, sealed), fails('wrong-key'))
    await assert.rejects(readPackEnd({ store: openStore, coding: SEALED }, open), fails('wrong-key'))
  })

  test('that is another than the one committed is refused, although it is sound', async () => {
    const [one] = build(OPEN, [textOf('a')])
    const [two] = build(OPEN, [textOf('b')])
    assert.ok(one && two)
    const memory = await store([one])
    await assert.rejects(readPackEnd({ store: memory, coding: OPEN }, two), fails('object-corrupt'))
  })

  test('that is absent, cut off, or longer than it was, is refused by name', async () => {
    const [pack] = build(OPEN, [textOf('a')], RECORD)
    assert.ok(pack)
    const empty = new MemoryObjectStore(systemClock)
    await assert.rejects(readPackEnd({ store: empty, coding: OPEN }, pack), fails('object-missing'))
    const cut = await storeChanged(pack, (bytes) => bytes.subarray(0, -1))
    await assert.rejects(readPackEnd({ store: cut, coding: OPEN }, pack), fails('object-corrupt'))
    const tiny = { name: pack.name, bytes: PACK_TRAILER_BYTES - 1 }
    await assert.rejects(readPackEnd({ store: cut, coding: OPEN }, tiny), fails('object-corrupt'))
  })

  test('that was written by the first version is read, sealed or not', async () => {
    for (const [hex, coding] of [
      [FIRST_PACK, OPEN],
      [FIRST_SEALED_PACK, SEALED],
    ] as const) {
      const bytes = Buffer.from(hex, 'hex')
      const pack = { name: `org/ws/1/${'0'.repeat(32)}`, bytes: bytes.length }
      const memory = new MemoryObjectStore(systemClock)
      await memory.put(packKey(pack.name), [bytes])
      const end = await readPackEnd({ store: memory, coding }, pack)
      assert.deepEqual(Buffer.from(end.record ?? []), RECORD)
      const reader = new ChunkReader({ store: memory, coding, index: new ChunkIndex([end.table]) })
      for (const { bytes: chunk } of FIRST_CHUNKS)
        assert.ok(Buffer.from(await reader.read(chunkIdOf(chunk))).equals(chunk))
    }
  })

  test('is written as by the first version, byte for byte', () => {
    for (const [hex, coding] of [
      [FIRST_PACK, OPEN],
      [FIRST_SEALED_PACK, SEALED],
    ] as const) {
      const [pack] = build(coding, FIRST_CHUNKS, RECORD)
      assert.equal(Buffer.concat(pack?.parts ?? []).toString('hex'), hex)
    }
  })
})

const FIRST_CHUNKS: readonly Added[] = [
  { bytes: Buffer.from('hello'), group: 'dense' },
  { bytes: Buffer.from([0, 1, 2]), group: 'dense' },
]

/*
 * Frozen, since bytes like these lie in stores: what changes them is a new version of the format. Only the footer is
 * compressed, so a new zstd may change the writing test alone; then the reading test has to hold for both.
 */
const FIRST_PACK =
  '4846504b0100000068656c6c6f00010228b52ffd20b0dd03008406484643540100000002000000296f72672f77732f31' +
  '2f30000870e506082cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824ae4b3280e56e2faf' +
  '83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc00050005000000030000000700606001f280b59d317009b8' +
  '56275c1c7b22666f726d6174223a317d1000000084000000b000000001000000500a5aa70c0000000c00000000000000' +
  '39c31eaf010000000000000000000000a898d6faca37ed5c98dced664471b024b619a0aaf2d63fff15cab1a2a7db8c86' +
  '0100000048465045'
const FIRST_SEALED_PACK =
  '4846504b01000000c271f2903101ef8b1673e6864d0ca6238311a88833542fec8eb54ff047c1bd09945dc34ef78d0c03' +
  '79bafa3fa291c68a005c2a96c2fdac90d9a274c6ff411e6402077f1d241f7a33c279143ea977ebfeed4ed77fefd9ce89' +
  'a217744b1cf8b8b00ce344f39267f098052fb1a9f84f7f0ce76b14284b5509a1a8602b0bb5acc7c0477f96e7ef65a75c' +
  '9f5b974589d1dca3dda9a4294860d196b0f9353daca0cbdfc219e523a93cb257b8980e3a5b2350c34e38215aae83cd8f' +
  '254d349086365dd60b048b8d07f7b2b4581e2000000096000000b0000000010000004d99224f1c0000000c0000000000' +
  '00008b7ec6e901000000d10c9c54c0cb2e6096475c0696c2e2ded0738a725eb2c2da19ea28af0348746980c7a6cdca3b' +
  '6c8e0100000048465045'

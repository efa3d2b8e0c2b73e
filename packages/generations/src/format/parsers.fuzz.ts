import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { directories } from '@holdfast/testkit/entry-arbitraries'
import { everyMutation, everyTruncation, fuzzParser, hostileBytes } from '@holdfast/testkit/hostile-bytes'
import fc from 'fast-check'
import { decodeIndexObject, encodeIndexObject } from '../read/index-object.ts'
import { openPackEnd } from '../read/pack-reader.ts'
import { decodeDirectoryState, encodeDirectoryState, packEntries } from '../scan/directory-state.ts'
import { TreeState } from '../scan/tree-state.ts'
import { DatabaseChecksum } from '../sqlite/page-checksum.ts'
import { decodeDatabaseMemory, encodeDatabaseMemory } from '../stage/database-memory.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { chunkIdOf } from './chunk-id.ts'
import { ChunkTable } from './chunk-table.ts'
import { readContent, writeContent } from './content.ts'
import { decodeContentList, encodeContentList } from './content-list.ts'
import { readEntry } from './entry.ts'
import { decodeFrame, encodeFrame, type FrameCoding } from './frame.ts'
import { createFrameSeal } from './frame-seal.ts'
import { decodeGenerationRecord } from './generation-record.ts'
import { PackBuilder } from './pack-builder.ts'
import { decodePackTrailer, PACK_TRAILER_BYTES } from './pack-trailer.ts'
import { decodeNode, decodeRoot, encodeDirectory, encodeEntry, encodeRoot } from './tree-node.ts'

const seed = 20_262
const options = { seed, numRuns: 800 }
const OPEN: FrameCoding = { seal: null }
const SEALED: FrameCoding = { seal: createFrameSeal(Buffer.alloc(32, 1)) }

const ENTRIES = fc.sample(directories(5), { seed, numRuns: 8 }).sort((a, b) => b.length - a.length)[0] ?? []
const LEAF = encodeDirectory(ENTRIES.map(encodeEntry)).nodes[0]?.bytes ?? new Uint8Array()
const BRANCH =
  encodeDirectory(
    Array.from({ length: 700 }, (_, index) => {
      const attributes = { mode: 0, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] }
      return encodeEntry({ kind: 'symlink', name: `n${1000 + index}`, attributes, target: 'x' })
    }),
  ).nodes.at(-1)?.bytes ?? new Uint8Array()
const ROOT = encodeRoot({
  kind: 'directory',
  name: '',
  attributes: { mode: 0o755, uid: 1, gid: 2, mtimeNs: 3n, xattrs: [{ name: 'user.a', value: 'b' }] },
  node: '\x01'.repeat(32),
}).bytes
const PARTS = [
  { kind: 'hole', bytes: 4096 },
  { kind: 'chunk', bytes: 100_000, id: '\x02'.repeat(32) },
] as const
const LIST = encodeContentList(PARTS)
const CONTENT = (() => {
  const writer = new ByteWriter()
  writeContent(writer, [...PARTS, { kind: 'list', bytes: 9, id: '\x03'.repeat(32) }])
  return Uint8Array.from(writer.finish())
})()

function buildPack(coding: FrameCoding): { name: string; bytes: Uint8Array; table: Uint8Array } {
  const name = `org/ws/1/${'0'.repeat(32)}`
  let built = { name, bytes: new Uint8Array(), table: new Uint8Array() }
  const onPack = ({ parts, table }: { parts: readonly Uint8Array[]; table: Uint8Array }) => {
    built = { name, bytes: Uint8Array.from(Buffer.concat(parts)), table: Uint8Array.from(table) }
  }
  const builder = new PackBuilder({ coding, nextName: () => name, onPack })
  for (const label of ['one', 'two', 'three']) {
    const bytes = Buffer.from(label.repeat(20))
    builder.add(chunkIdOf(bytes), bytes, 'text')
  }
  builder.finish(Buffer.from(JSON.stringify({ format: 1, notices: [] })))
  return built
}

const DIRECTORY_STATE = encodeDirectoryState({
  names: ['a', 'b\xff'],
  stats: Float64Array.of(1, 2, 3, 4, 5, 6, 7, Number.NaN),
  ...packEntries([ENTRIES[0] && encodeEntry(ENTRIES[0]), undefined]),
  node: '\x04'.repeat(32),
  totals: { files: 1, bytes: 2, databases: 3 },
  notices: [{ path: 'b', reason: 'fifo-skipped' }],
})

const TREE_STATE = (() => {
  const state = new TreeState()
  state.setEncoded(['', DIRECTORY_STATE])
  state.setEncoded(['sub', DIRECTORY_STATE])
  return state.toBytes('ab'.repeat(32))
})()

const MEMORY = (() => {
  const checksum = new DatabaseChecksum(512)
  for (let page = 1; page <= 3; page++) checksum.replacePage(page, new Uint8Array(512).fill(page))
  const walEnd = { salt1: 1, salt2: 2, pageBytes: 512, frame: 3, checksum1: 4, checksum2: 5 }
  return encodeDatabaseMemory({
    checksum,
    captured: { pageBytes: 512, pageCount: 3, overlaidPages: Uint32Array.of(2, 3), walEnd },
    mainFile: { inode: 1, bytes: 1536, mtimeNs: 3n, ctimeNs: 4n },
    pin: '0123456789abcdef',
    deltas: [{ pages: Uint32Array.of(1, 3), pageCountBefore: 2, checksumBefore: '0123456789abcdef' }],
  })
})()

/** Every parser of stored or cached bytes, with bytes that it understands. */
const PARSERS: readonly { what: string; valid: Uint8Array; parse: (bytes: Uint8Array) => unknown }[] = [
  { what: 'a leaf', valid: LEAF, parse: decodeNode },
  { what: 'a branch', valid: BRANCH, parse: decodeNode },
  { what: 'a root', valid: ROOT, parse: decodeRoot },
  {
    what: 'an entry',
    valid: ENTRIES[0] ? encodeEntry(ENTRIES[0]).bytes : LEAF,
    parse: (bytes) => readEntry(new ByteReader(bytes, 'entry')),
  },
  { what: 'content', valid: CONTENT, parse: (bytes) => readContent(new ByteReader(bytes, 'content')) },
  { what: 'a content list', valid: LIST.bytes, parse: (bytes) => decodeContentList(bytes, LIST.covers) },
  { what: 'a chunk table', valid: buildPack(OPEN).table, parse: searchTable },
  {
    what: 'a trailer',
    valid: buildPack(OPEN).bytes.slice(-PACK_TRAILER_BYTES),
    parse: (bytes) => decodePackTrailer(bytes, 'pack'),
  },
  {
    what: 'a generation record',
    valid: Buffer.from('{"format":1,"org":"o"}'),
    parse: decodeGenerationRecord,
  },
  { what: 'a directory state', valid: DIRECTORY_STATE, parse: decodeDirectoryState },
  { what: 'a tree state', valid: TREE_STATE, parse: TreeState.fromBytes },
  { what: 'a database memory', valid: MEMORY, parse: decodeDatabaseMemory },
]

/** Parses a table and asks it everything. */
function searchTable(bytes: Uint8Array): void {
  const table = new ChunkTable(bytes)
  for (let index = 0; index < table.chunkCount; index++) {
    const place = table.find(table.id(index)) ?? table.place(index)
    table.packOf(table.frame(place.frame))
  }
}

for (const { what, valid, parse } of PARSERS) {
  describe(`the parser of ${what}`, () => {
    test('understands what was written', () => {
      if (what !== 'a generation record') parse(valid)
    })

    test('names its failure for bytes cut off anywhere and for any byte changed', () => {
      everyTruncation(valid, parse)
      everyMutation(valid, parse)
    })

    test(`names its failure for hostile bytes (seed ${seed})`, () => {
      fuzzParser(hostileBytes(valid), parse, options)
    })
  })
}

for (const [kind, coding] of [
  ['open', OPEN],
  ['sealed', SEALED],
] as const) {
  describe(`the ${kind} end of a pack`, () => {
    const pack = buildPack(coding)
    const parse = (bytes: Uint8Array) =>
      openPackEnd(coding, { name: pack.name, bytes: pack.bytes.length }, bytes)

    test('is understood whole or refused, whichever byte was changed', () => {
      const { sha256, table } = parse(pack.bytes)
      const tail = pack.bytes.slice(8)
      everyTruncation(pack.bytes, parse)
      everyMutation(tail, parse, (end) => {
        assert.equal(end.sha256, sha256)
        assert.deepEqual(end.table.bytes, table.bytes)
      })
    })

    test(`is refused by name when its bytes are hostile (seed ${seed})`, () => {
      fuzzParser(hostileBytes(pack.bytes.slice(-400)), parse, { ...options, more: ['wrong-key'] })
    })
  })

  test(`an ${kind} index object is the table or is refused, whatever byte was changed`, () => {
    const { table } = buildPack(coding)
    const object = encodeIndexObject(coding, 'index/org/ws/x', table)
    const parse = (bytes: Uint8Array) => decodeIndexObject(coding, 'index/org/ws/x', bytes)
    assert.deepEqual(new Uint8Array(parse(object)), table)
    everyTruncation(object, parse)
    everyMutation(object, parse, (found) => assert.deepEqual(new Uint8Array(found), table))
    fuzzParser(hostileBytes(object), parse, { ...options, more: ['wrong-key'] })
  })

  test(`an ${kind} frame of hostile bytes is refused by name (seed ${seed})`, () => {
    const at = { pack: 'p', ordinal: 0 }
    const frame = encodeFrame(coding, at, Buffer.alloc(3000, 'frame '))
    fuzzParser(
      fc.tuple(hostileBytes(frame.stored), fc.nat(0xffff_ffff), fc.boolean()),
      ([stored, rawBytes, same]) =>
        decodeFrame(
          coding,
          'p',
          { ...frame, ordinal: 0, rawBytes: same ? frame.rawBytes : rawBytes },
          stored,
        ),
      options,
    )
  })
}

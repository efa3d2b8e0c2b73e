import type { ByteString } from '@holdfast/generations/format/byte-string'
import type { Content, Part } from '@holdfast/generations/format/content'
import type { Attributes, DeltaRef, Entry } from '@holdfast/generations/format/entry'
import fc from 'fast-check'

/** Any bytes, one char each. */
export function byteStrings(constraints: {
  minLength?: number
  maxLength: number
}): fc.Arbitrary<ByteString> {
  return fc.uint8Array(constraints).map((bytes) => Buffer.from(bytes).toString('latin1'))
}

/** What a file may be called: 1 to 255 bytes, often not UTF-8, with newlines and leading dashes now and then. */
const fileNames: fc.Arbitrary<ByteString> = fc
  .oneof(
    { weight: 3, arbitrary: byteStrings({ minLength: 1, maxLength: 12 }) },
    { weight: 1, arbitrary: byteStrings({ minLength: 255, maxLength: 255 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('a', 'a-wal', '-rf', 'line\nbreak', '\xff\xfe', 'Caf\xe9', '...'),
    },
  )
  .map((name) => name.replaceAll('/', '_').replaceAll('\0', '0'))
  .filter((name) => name !== '.' && name !== '..')

export const chunkIds: fc.Arbitrary<ByteString> = byteStrings({ minLength: 32, maxLength: 32 })

const lengths = fc.oneof(fc.integer({ min: 1, max: 1 << 20 }), fc.integer({ min: 1, max: 2 ** 43 }))

const parts: fc.Arbitrary<Part> = fc.oneof(
  lengths.map((bytes): Part => ({ kind: 'hole', bytes })),
  fc.tuple(lengths, chunkIds).map(([bytes, id]): Part => ({ kind: 'chunk', bytes, id })),
  fc.tuple(lengths, chunkIds).map(([bytes, id]): Part => ({ kind: 'list', bytes, id })),
)

export const contents: fc.Arbitrary<Content> = fc.array(parts, { maxLength: 12 })

/** Values with a prototype, as parsers make them: `deepEqual` tells them apart. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(model, { noNullPrototype: true })

const attributes: fc.Arbitrary<Attributes> = record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xffff_ffff }),
  gid: fc.integer({ min: 0, max: 0xffff_ffff }),
  mtimeNs: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
  xattrs: fc.array(
    record({
      name: fileNames.map((name) => `user.${name.slice(0, 100)}`),
      value: byteStrings({ maxLength: 40 }),
    }),
    { maxLength: 3 },
  ),
})

const deltas: fc.Arbitrary<DeltaRef> = record({ level: fc.integer({ min: 0, max: 255 }), content: contents })

/** Entries of every kind that a commit can write. */
export const entries: fc.Arbitrary<Entry> = fc.oneof(
  record({
    kind: fc.constant('file' as const),
    name: fileNames,
    attributes,
    link: fc.oneof(fc.constant(0), fc.maxSafeNat()),
    content: contents,
  }),
  record({ kind: fc.constant('directory' as const), name: fileNames, attributes, node: chunkIds }),
  record({
    kind: fc.constant('symlink' as const),
    name: fileNames,
    attributes,
    target: byteStrings({ minLength: 1, maxLength: 300 }).map((target) => target.replaceAll('\0', '0')),
  }),
  record({
    kind: fc.constant('database' as const),
    name: fileNames,
    attributes,
    pageBytes: fc.integer({ min: 9, max: 16 }).map((power) => 2 ** power),
    pageCount: fc.integer({ min: 1, max: 1 << 26 }),
    checksum: fc
      .uint8Array({ minLength: 8, maxLength: 8 })
      .map((bytes) => Buffer.from(bytes).toString('hex')),
    base: contents,
    deltas: fc.array(deltas, { maxLength: 4 }),
  }),
)

/** Entries as one directory holds them: names differ and ascend. */
export function directories(lengthMax: number): fc.Arbitrary<Entry[]> {
  return fc
    .uniqueArray(entries, { selector: (entry) => entry.name, maxLength: lengthMax })
    .map((found) => found.sort((a, b) => (a.name < b.name ? -1 : 1)))
}

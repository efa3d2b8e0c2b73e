import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { entries } from '@holdfast/testkit/entry-arbitraries'
import fc from 'fast-check'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { type Attributes, type Entry, kindOfEntry, readEntry, writeEntry } from './entry.ts'
import { encodeEntry } from './tree-node.ts'

const ATTRIBUTES: Attributes = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] }

function encode(entry: Entry): Uint8Array {
  const writer = new ByteWriter()
  writeEntry(writer, entry)
  return writer.finish()
}

function refuses(entry: Entry): void {
  assert.throws(
    () => readEntry(new ByteReader(encode(entry), 'entry')),
    (error) => isFailure(error, 'object-corrupt'),
  )
}

const fileWith = (attributes: Partial<Attributes>): Entry => {
  return { kind: 'file', name: 'a', attributes: { ...ATTRIBUTES, ...attributes }, link: 0, content: [] }
}

const databaseOf = (pageBytes: number, pageCount: number): Entry => {
  const checksum = '0123456789abcdef'
  return {
    kind: 'database',
    name: 'a',
    attributes: ATTRIBUTES,
    pageBytes,
    pageCount,
    checksum,
    base: [],
    deltas: [],
  }
}

describe('an entry', () => {
  test('of any kind is read as it was written', () => {
    fc.assert(
      fc.property(entries, (entry) => {
        const reader = new ByteReader(encode(entry), 'entry')
        assert.deepEqual(readEntry(reader), entry)
        reader.end()
      }),
    )
  })

  test('tells its kind without being decoded', () => {
    fc.assert(fc.property(entries, (entry) => assert.equal(kindOfEntry(encodeEntry(entry)), entry.kind)))
  })

  test('with permission bits or owners that no file can have is refused', () => {
    refuses(fileWith({ mode: 0o10000 }))
    refuses(fileWith({ mode: 2 ** 40 }))
    refuses(fileWith({ uid: 2 ** 32 }))
    refuses(fileWith({ gid: 2 ** 32 }))
  })

  test('with an extended attribute outside of the user’s names is refused', () => {
    refuses(fileWith({ xattrs: [{ name: 'security.capability', value: 'x' }] }))
    refuses(fileWith({ xattrs: [{ name: 'user.', value: 'x' }] }))
    refuses(fileWith({ xattrs: [{ name: 'user.a\0b', value: 'x' }] }))
  })

  test('of a link that leads nowhere or holds a NUL is refused', () => {
    for (const target of ['', 'a\0b', 'x'.repeat(4096)]) {
      refuses({ kind: 'symlink', name: 'a', attributes: ATTRIBUTES, target })
    }
  })

  test('of a database with a page size that SQLite does not have is refused', () => {
    for (const pageBytes of [0, 1, 511, 513, 256, 1 << 17]) refuses(databaseOf(pageBytes, 1))
    refuses(databaseOf(4096, 2 ** 40))
    assert.equal(readEntry(new ByteReader(encode(databaseOf(65_536, 1)), 'entry')).kind, 'database')
  })
})

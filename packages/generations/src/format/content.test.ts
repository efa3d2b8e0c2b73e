import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { chunkIds, contents } from '@holdfast/testkit/entry-arbitraries'
import fc from 'fast-check'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { type Content, contentBytes, type Part, readContent, writeContent } from './content.ts'
import { decodeContentList, encodeContentList } from './content-list.ts'

const ID = '\x01'.repeat(32)
const refused = (error: unknown) => isFailure(error, 'object-corrupt')

function encode(content: Content): Uint8Array {
  const writer = new ByteWriter()
  writeContent(writer, content)
  return writer.finish()
}

describe('content', () => {
  test('content is read as it was written', () => {
    fc.assert(
      fc.property(contents, (content) => {
        const reader = new ByteReader(encode(content), 'test')
        assert.deepEqual(readContent(reader), content)
        reader.end()
      }),
    )
  })

  test('a part of no bytes and a part of an unknown kind are refused', () => {
    const empty = encode([{ kind: 'hole', bytes: 0 }])
    assert.throws(() => readContent(new ByteReader(empty, 'test')), refused)
    const unknown = new ByteWriter().varint(1).u8(3).varint(5).latin1(ID).finish()
    assert.throws(() => readContent(new ByteReader(unknown, 'test')), refused)
  })

  test('parts that add up to more than a file can hold are refused', () => {
    const most = Number.MAX_SAFE_INTEGER
    const content = encode([
      { kind: 'hole', bytes: most },
      { kind: 'hole', bytes: most },
    ])
    assert.throws(() => readContent(new ByteReader(content, 'test')), refused)
  })

  test('a list holds the chunks and holes of one segment and says how much it covers', () => {
    const flat = fc.array(
      fc
        .tuple(fc.boolean(), fc.integer({ min: 1, max: 1 << 23 }), chunkIds)
        .map(([hole, bytes, id]): Part => {
          return hole ? { kind: 'hole', bytes } : { kind: 'chunk', bytes, id }
        }),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(flat, (parts) => {
        const list = encodeContentList(parts)
        assert.equal(list.covers, contentBytes(parts))
        assert.deepEqual(decodeContentList(list.bytes, list.covers), parts)
        assert.throws(() => decodeContentList(list.bytes, list.covers + 1), refused)
      }),
    )
  })

  test('a list within a list is refused', () => {
    const list = encodeContentList([{ kind: 'list', bytes: 5, id: ID }])
    assert.throws(() => decodeContentList(list.bytes, 5), refused)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { byteStrings } from '@holdfast/testkit/entry-arbitraries'
import fc from 'fast-check'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'

type Value =
  | { readonly kind: 'u8' | 'u16' | 'u32' | 'varint' | 'f64'; readonly value: number }
  | { readonly kind: 'i64'; readonly value: bigint }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }

const number = (kind: 'u8' | 'u16' | 'u32' | 'varint', max: number) =>
  fc.integer({ min: 0, max }).map((value): Value => ({ kind, value }))

const values: fc.Arbitrary<Value> = fc.oneof(
  number('u8', 0xff),
  number('u16', 0xffff),
  number('u32', 0xffff_ffff),
  number('varint', Number.MAX_SAFE_INTEGER),
  fc.double().map((value): Value => ({ kind: 'f64', value })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value): Value => ({ kind: 'i64', value })),
  byteStrings({ maxLength: 200 }).map((value): Value => ({ kind: 'string', value })),
  fc.uint8Array({ maxLength: 200 }).map((value): Value => ({ kind: 'bytes', value })),
)

function write(writer: ByteWriter, value: Value): void {
  switch (value.kind) {
    case 'i64':
      writer.i64(value.value)
      break
    case 'string':
      writer.string(value.value)
      break
    case 'bytes':
      writer.bytes(value.value)
      break
    default:
      writer[value.kind](value.value)
  }
}

function read(reader: ByteReader, value: Value): Value {
  switch (value.kind) {
    case 'i64':
      return { kind: 'i64', value: reader.i64() }
    case 'string':
      return { kind: 'string', value: reader.string() }
    case 'bytes':
      return { kind: 'bytes', value: Uint8Array.from(reader.bytes(value.value.length)) }
    default:
      return { kind: value.kind, value: reader[value.kind]() }
  }
}

const refused = (error: unknown) => isFailure(error, 'object-corrupt')

describe('bytes', () => {
  test('whatever is written is read back, from a buffer of any size to begin with', () => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 30 }), fc.integer({ min: 1, max: 64 }), (written, size) => {
        const writer = new ByteWriter(size)
        for (const value of written) write(writer, value)
        const bytes = writer.finish()
        assert.equal(bytes.length, writer.length)
        const reader = new ByteReader(bytes, 'test')
        for (const value of written) assert.deepEqual(read(reader, value), value)
        reader.end()
      }),
    )
  })

  test('a value that is cut off is refused', () => {
    fc.assert(
      fc.property(values, (value) => {
        const writer = new ByteWriter()
        write(writer, value)
        const bytes = writer.finish()
        if (bytes.length === 0) return
        assert.throws(() => read(new ByteReader(bytes.subarray(0, -1), 'test'), value), refused)
      }),
    )
  })

  test('the varints next to each length boundary take the bytes that they should', () => {
    for (let bytes = 1; bytes <= 7; bytes++) {
      const most = 2 ** (7 * bytes) - 1
      assert.equal(new ByteWriter().varint(most).length, bytes)
      assert.equal(new ByteWriter().varint(most + 1).length, bytes + 1)
    }
  })

  test('an integer above 2^53 - 1, or one that never ends, is refused', () => {
    const tooLarge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10]
    assert.throws(() => new ByteReader(Buffer.from(tooLarge), 'test').varint(), refused)
    assert.throws(() => new ByteReader(Buffer.alloc(100, 0x80), 'test').varint(), refused)
    const largest = new ByteWriter().varint(Number.MAX_SAFE_INTEGER).finish()
    assert.equal(new ByteReader(largest, 'test').varint(), Number.MAX_SAFE_INTEGER)
  })

  test('a count of more items than the bytes behind it can hold is refused before anything is made of it', () => {
    const bytes = new ByteWriter().varint(3).bytes(Buffer.alloc(6)).finish()
    assert.equal(new ByteReader(bytes, 'test').count(2), 3)
    assert.throws(() => new ByteReader(bytes, 'test').count(3), refused)
    const huge = new ByteWriter().varint(Number.MAX_SAFE_INTEGER).bytes(Buffer.alloc(6)).finish()
    assert.throws(() => new ByteReader(huge, 'test').count(2), refused)
  })

  test('bytes that are left over are refused', () => {
    assert.throws(() => new ByteReader(Buffer.alloc(1), 'test').end(), refused)
  })
})

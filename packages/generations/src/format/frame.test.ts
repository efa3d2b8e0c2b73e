import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crc32, zstdCompressSync } from 'node:zlib'
import { isFailure } from '@holdfast/base/failure'
import { seededRandomness } from '@holdfast/testkit/seeded-numbers'
import fc from 'fast-check'
import { decodeFrame, encodeFrame, FRAME_BYTES_MAX, type FrameCoding } from './frame.ts'
import { createFrameSeal, UNSEALED } from './frame-seal.ts'

const OPEN: FrameCoding = { seal: null }
const SEALED: FrameCoding = { seal: createFrameSeal(Buffer.alloc(32, 1)) }
const AT = { pack: 'org/ws/1/aa', ordinal: 3 }

const corrupt = (error: unknown) => isFailure(error, 'object-corrupt')

function open(coding: FrameCoding, frame: ReturnType<typeof encodeFrame>, at = AT): Uint8Array {
  return decodeFrame(coding, at.pack, { ...frame, ordinal: at.ordinal }, frame.stored)
}

describe('a frame', () => {
  for (const [kind, coding] of [
    ['open', OPEN],
    ['sealed', SEALED],
  ] as const) {
    test(`that is ${kind} gives its bytes back, compressed or not`, () => {
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 2000 }),
        fc.string({ maxLength: 200 }).map((text) => new Uint8Array(Buffer.from(text.repeat(20)))),
      )
      fc.assert(
        fc.property(bytes, fc.boolean(), (raw, dense) => {
          const frame = encodeFrame(coding, AT, raw, dense)
          assert.equal(frame.rawBytes, raw.length)
          assert.deepEqual(new Uint8Array(open(coding, frame)), raw)
        }),
      )
    })

    test(`that is ${kind} and damaged in any one bit is refused`, () => {
      const raw = Buffer.from('all of these bytes count, every one of them. '.repeat(4))
      for (const dense of [true, false]) {
        const frame = encodeFrame(coding, AT, raw, dense)
        for (let bit = 0; bit < frame.stored.length * 8; bit++) {
          const stored = Buffer.from(frame.stored)
          stored[bit >> 3] = (stored[bit >> 3] ?? 0) ^ (1 << (bit & 7))
          assert.throws(() => open(coding, { ...frame, stored }), corrupt)
        }
      }
    })
  }

  test('of text is stored compressed, of random bytes as it is', () => {
    assert.equal(encodeFrame(OPEN, AT, Buffer.alloc(10_000, 'text ')).codec, 'zstd')
    assert.equal(encodeFrame(OPEN, AT, seededRandomness(1).bytes(10_000)).codec, 'raw')
  })

  test('does not change when the bytes that it was made of do', () => {
    const raw = Buffer.alloc(100, 7)
    const frame = encodeFrame(OPEN, AT, raw, true)
    raw.fill(8)
    assert.deepEqual(new Uint8Array(open(OPEN, frame)), new Uint8Array(100).fill(7))
  })

  test('that unpacks to more than it says is refused at the size it says', () => {
    const stored = zstdCompressSync(Buffer.alloc(512 << 20))
    const bomb = { codec: 'zstd', rawBytes: 1000, stored, crc32: crc32(stored) } as const
    const before = process.memoryUsage().rss
    assert.throws(() => open(OPEN, bomb), corrupt)
    assert.throws(() => open(OPEN, { ...bomb, rawBytes: FRAME_BYTES_MAX + 1 }), corrupt)
    assert.throws(() => open(OPEN, { ...bomb, rawBytes: 0 }), corrupt)
    assert.ok(process.memoryUsage().rss - before < 128 << 20)
  })

  test('of more bytes than a reader accepts is never written', () => {
    assert.throws(
      () => encodeFrame(OPEN, AT, Buffer.alloc(FRAME_BYTES_MAX + 1)),
      (error) => isFailure(error, 'unsupported-file'),
    )
  })
})

describe('a sealed frame', () => {
  const frame = encodeFrame(SEALED, AT, Buffer.from('secret'), true)

  test('opens with no other key, in no other place and in no other pack', () => {
    const other = { seal: createFrameSeal(Buffer.alloc(32, 2)) }
    assert.throws(() => open(other, frame), corrupt)
    assert.throws(() => open(SEALED, frame, { ...AT, ordinal: 4 }), corrupt)
    assert.throws(() => open(SEALED, frame, { ...AT, pack: 'org/ws/1/ab' }), corrupt)
    assert.equal(Buffer.from(open(SEALED, frame)).toString(), 'secret')
  })

  test('does not show its bytes, and equal bytes look different in each place', () => {
    const text = Buffer.from('the same words '.repeat(3))
    const here = encodeFrame(SEALED, AT, text, true)
    const there = encodeFrame(SEALED, { ...AT, ordinal: 4 }, text, true)
    assert.ok(!Buffer.from(here.stored).includes('same'))
    assert.notDeepEqual(here.stored, there.stored)
  })

  test('shorter than its tag is refused', () => {
    for (let length = 0; length < 17; length++) {
      const stored = frame.stored.subarray(0, length)
      assert.throws(() => open(SEALED, { ...frame, stored, crc32: crc32(stored) }), corrupt)
    }
  })
})

describe('a key', () => {
  test('has an id that tells it from others and is not that of an open store', () => {
    const ids = [1, 2, 3].map((byte) => createFrameSeal(Buffer.alloc(32, byte)).keyId)
    assert.equal(new Set([...ids, UNSEALED]).size, 4)
    assert.match(ids[0] ?? '', /^[0-9a-f]{16}$/)
  })

  test('of another length is refused', () => {
    for (const length of [0, 16, 31, 33]) {
      assert.throws(
        () => createFrameSeal(Buffer.alloc(length)),
        (error) => isFailure(error, 'invalid-argument'),
      )
    }
  })
})

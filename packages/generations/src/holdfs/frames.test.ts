import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { companionFailure, errnoName } from './companion-failure.ts'
import { encodeRequest, FRAME_BYTES_MAX, PayloadReader, PayloadWriter, ReplySplitter } from './frames.ts'

function replyFrame(id: number, status: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(9)
  header.writeUInt32LE(5 + payload.length, 0)
  header.writeUInt32LE(id, 4)
  header.writeUInt8(status, 8)
  return Buffer.concat([header, payload])
}

test('a request frame is length, id, operation, payload', () => {
  const frame = encodeRequest(0xfffffffe, 3, Buffer.from('ab'))
  assert.equal(frame.toString('hex'), '07000000feffffff036162')
})

test('a payload that exceeds a frame is refused before a byte is sent', () => {
  assert.throws(
    () => encodeRequest(1, 1, Buffer.alloc(FRAME_BYTES_MAX)),
    (error) => isFailure(error, 'invalid-argument'),
  )
})

test('a name keeps every byte but zero, and ends in one', () => {
  const all = String.fromCharCode(...Array.from({ length: 255 }, (_, index) => index + 1))
  const bytes = new PayloadWriter().string(all).finish()
  assert.equal(bytes.length, 4 + 255 + 1)
  assert.equal(bytes.toString('latin1', 4, 259), all)
  assert.equal(bytes[259], 0)
})

test('a zero byte, text beyond bytes, a relative path and a number beyond 32 bits are refused', () => {
  const refused = (error: unknown) => isFailure(error, 'invalid-argument')
  assert.throws(() => new PayloadWriter().string('a\0b'), refused)
  assert.throws(() => new PayloadWriter().string('\u20ac'), refused)
  assert.throws(() => new PayloadWriter().path('etc/passwd'), refused)
  assert.throws(() => new PayloadWriter().optionalPath('etc'), refused)
  for (const value of [-1, 2 ** 32, 0.5, Number.NaN])
    assert.throws(() => new PayloadWriter().u32(value), refused)
})

test('what is written is read back, whatever the values', () => {
  const name = fc
    .uint8Array({ maxLength: 300 })
    .map((bytes) => Buffer.from(bytes).toString('latin1').replaceAll('\0', ''))
  fc.assert(
    fc.property(name, fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }), (text, number, size) => {
      const written = new PayloadWriter().u32(number).i64(size).bytes(text).flag(true).finish()
      const reader = new PayloadReader(written)
      assert.deepEqual(
        [reader.u32(), reader.integer(), reader.string(), reader.u8()],
        [number, Number(size), text, 1],
      )
      reader.end()
    }),
    { numRuns: 200 },
  )
})

test('replies come out whole and in order, however their bytes are cut', () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(payloads, fc.array(fc.nat(300), { maxLength: 30 }), (list, cuts) => {
      const stream = Buffer.concat(list.map((payload, index) => replyFrame(index, index % 2, payload)))
      const splitter = new ReplySplitter()
      const edges = [...new Set([0, ...cuts.filter((cut) => cut < stream.length), stream.length])]
      edges.sort((a, b) => a - b)
      const replies = edges
        .slice(1)
        .flatMap((edge, index) => splitter.push(stream.subarray(edges[index], edge)))
      assert.equal(replies.length, list.length)
      for (const [index, reply] of replies.entries()) {
        assert.equal(reply.id, index)
        assert.equal(reply.done, index % 2 === 0)
        assert.deepEqual(new Uint8Array(reply.payload), list[index])
      }
    }),
    { numRuns: 300 },
  )
})

test('a frame of an impossible length, or an unknown status, is a named failure', () => {
  const bad = (error: unknown) => isFailure(error, 'helper-failed')
  assert.throws(() => new ReplySplitter().push(Buffer.from('04000000', 'hex')), bad)
  assert.throws(() => new ReplySplitter().push(Buffer.from('ffffffff', 'hex')), bad)
  assert.throws(() => new ReplySplitter().push(replyFrame(1, 2, Buffer.alloc(0))), bad)
})

test('a count that exceeds its bytes is refused before anything is allocated', () => {
  const reader = new PayloadReader(Buffer.from('ffffffff00', 'hex'))
  assert.throws(
    () => reader.count(16),
    (error) => isFailure(error, 'helper-failed'),
  )
})

const ERRNO_ROWS = [
  [28, 'ENOSPC', 'volume-full'],
  [122, 'EDQUOT', 'volume-full'],
  [13, 'EACCES', 'no-permission'],
  [1, 'EPERM', 'no-permission'],
  [2, 'ENOENT', 'not-found'],
  [17, 'EEXIST', 'already-exists'],
  [5, 'EIO', 'source-failed'],
  [16, 'EBUSY', 'source-failed'],
  [25, 'ENOTTY', 'unsupported-here'],
  [95, 'EOPNOTSUPP', 'unsupported-here'],
] as const

for (const [number, errno, code] of ERRNO_ROWS) {
  test(`${errno} becomes ${code}, with the errno, the step and the path in its details`, () => {
    const payload = Buffer.concat([new PayloadWriter().u32(number).finish(), Buffer.from('syncfs')])
    const failure = companionFailure(payload, '/a\xff')
    assert.equal(failure.code, code)
    assert.deepEqual(failure.details, { errno, step: 'syncfs', path: '/a\\xff' })
  })
}

test('a number without a name is told as a number', () => {
  assert.equal(errnoName(524), 'errno 524')
})

import assert from 'node:assert/strict'
import test from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { readSendChanges, type SendChanges } from './send-changes.ts'
import {
  capturedStream,
  encodeAttributes,
  encodeCommand,
  incrementalStream,
  streamHeader,
} from './send-stream.fixture.ts'

const SEED = 20_262
const VERSION_OFFSET = 13
const HEADER_BYTES = 17

/** What is read of `stream`, or undefined where it is found damaged; anything else is thrown. */
function outcomeOf(stream: Uint8Array): SendChanges | undefined {
  try {
    return readSendChanges(stream)
  } catch (error) {
    if (isFailure(error, 'stream-corrupt')) return undefined
    throw error
  }
}

const captured = readSendChanges(capturedStream)

test('a stream cut at any byte is found damaged', () => {
  for (let lengthBytes = 0; lengthBytes < capturedStream.length; lengthBytes++) {
    assert.equal(outcomeOf(capturedStream.subarray(0, lengthBytes)), undefined, `cut at ${lengthBytes}`)
  }
})

test('a stream with any one bit turned over is never read as another change list', () => {
  for (let bit = 0; bit < capturedStream.length * 8; bit++) {
    const stream = Buffer.from(capturedStream)
    const at = bit >> 3
    stream.writeUInt8(stream.readUInt8(at) ^ (1 << (bit & 7)), at)
    const outcome = outcomeOf(stream)
    if (at < VERSION_OFFSET || at >= HEADER_BYTES) assert.equal(outcome, undefined, `bit ${bit}`)
    // The version has no checksum; a stream of version 1 without data means the same in version 3.
    else if (outcome?.kind === 'changes') assert.deepEqual(outcome, captured)
    else assert.deepEqual(outcome, { kind: 'unknown', reason: 'unknown-version' })
  }
})

test(`random bytes after a sound header are found damaged (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 3 }), (bytes, version) => {
      assert.equal(outcomeOf(bytes), undefined)
      assert.equal(outcomeOf(Buffer.concat([streamHeader(version), bytes])), undefined)
    }),
    { seed: SEED, numRuns: 2000 },
  )
})

const anyPath = fc
  .array(fc.constantFrom('a', 'b', 'c', 'o1-2-3', '..', ''), { minLength: 1, maxLength: 4 })
  .map((names) => names.join('/'))
const anyValue = fc.oneof(
  { weight: 6, arbitrary: anyPath },
  { weight: 3, arbitrary: fc.nat(100_000) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
)
const anyCommand = fc
  .record({
    number: fc.integer({ min: 0, max: 28 }),
    attributes: fc.array(fc.tuple(fc.constantFrom(15, 15, 15, 16, 17, 18, 4, 19, 24, 25, 27, 40), anyValue), {
      maxLength: 5,
    }),
    tail: fc.uint8Array({ maxLength: 2 }),
  })
  .map(({ number, attributes, tail }) =>
    encodeCommand(number, Buffer.concat([encodeAttributes(attributes), tail])),
  )

test(`any commands under right checksums give a list, an unknown or a damage (seed ${SEED})`, () => {
  const reached = new Set<string>()
  fc.assert(
    fc.property(
      fc.array(anyCommand, { maxLength: 6 }),
      fc.integer({ min: 1, max: 3 }),
      (commands, version) => {
        const outcome = outcomeOf(incrementalStream(commands, version))
        reached.add(outcome === undefined ? 'damaged' : outcome.kind)
      },
    ),
    { seed: SEED, numRuns: 3000 },
  )
  assert.deepEqual([...reached].sort(), ['changes', 'damaged', 'unknown'])
})

const PATHS = ['a', 'b', 'a/a', 'a/b', 'b/a', 'b/b', 'a/a/a', 'o1-2-3']
const anyValidCommand = fc
  .tuple(
    fc.constantFrom(3, 4, 8, 9, 9, 10, 11, 12, 17, 18, 22),
    fc.constantFrom(...PATHS),
    fc.constantFrom(...PATHS),
  )
  .map(([number, path, other]) =>
    encodeCommand(
      number,
      encodeAttributes([
        [15, path],
        [16, other],
        [17, other],
        [18, path.length * 1000],
        [4, 5000],
      ]),
    ),
  )

test(`any order of well-formed commands ends, and lists only paths with one place each (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.array(anyValidCommand, { maxLength: 40 }), (commands) => {
      const outcome = outcomeOf(incrementalStream(commands))
      assert.ok(outcome !== undefined)
      if (outcome.kind === 'unknown') return
      const oldPaths = [...outcome.movedDirectories.values()]
      assert.equal(new Set(oldPaths).size, oldPaths.length, 'no old directory is in two places')
      for (const path of outcome.removed) assert.ok(!outcome.files.has(path) && !outcome.created.has(path))
      for (const [path, change] of outcome.files) assert.equal(change.created, outcome.created.has(path))
    }),
    { seed: SEED, numRuns: 3000 },
  )
})

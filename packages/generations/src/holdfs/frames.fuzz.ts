import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { companionFailure } from './companion-failure.ts'
import { PayloadReader, PayloadWriter, ReplySplitter } from './frames.ts'
import {
  readAttributeFailures,
  readCaptured,
  readDataRanges,
  readSubvolumeState,
  readXattrsFound,
} from './operations.ts'

const SEED = 20_260_301
console.log(`frames.fuzz seed ${SEED}`)

const READERS: readonly ((reader: PayloadReader) => unknown)[] = [
  readCaptured,
  readDataRanges,
  readSubvolumeState,
  readXattrsFound,
  (reader) => readAttributeFailures(reader, []),
]

/** Runs `read`; anything but a value or a named failure fails the test. */
function parses(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    assert.ok(isFailure(error, 'helper-failed'), String(error))
  }
}

test('random payloads are a value or a named failure', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(READERS.length - 1), (bytes, index) => {
      parses(() => READERS[index]?.(new PayloadReader(Buffer.from(bytes))))
      parses(() => companionFailure(Buffer.from(bytes), '/x'))
    }),
    { seed: SEED, numRuns: 5000 },
  )
})

test('a changed payload is a value or a named failure', () => {
  const valid = new PayloadWriter().u32(2).u32(0).u32(1).bytes('user.a').bytes('value').u32(5).finish()
  fc.assert(
    fc.property(fc.nat(valid.length - 1), fc.nat(255), (at, value) => {
      const changed = Buffer.from(valid)
      changed[at] = value
      parses(() => readXattrsFound(new PayloadReader(changed)))
    }),
    { seed: SEED, numRuns: 5000 },
  )
})

test('random streams are replies or a named failure, and hold no more than they were given', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 }), (chunks) => {
      const splitter = new ReplySplitter()
      parses(() => {
        for (const chunk of chunks) splitter.push(Buffer.from(chunk))
      })
    }),
    { seed: SEED, numRuns: 3000 },
  )
})

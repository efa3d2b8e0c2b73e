import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { decodeGenerationRecord, encodeGenerationRecord, type GenerationRecord } from './generation-record.ts'

const PACK = { name: 'org/ws/1/aa', bytes: 123, sha256: 'ab'.repeat(32) }
const RECORD: GenerationRecord = {
  format: 1,
  org: 'org',
  workspace: 'ws',
  epoch: 1,
  sequence: 2,
  parent: 'cd'.repeat(32),
  nonce: '0'.repeat(32),
  createdAt: 1_700_000_000_000,
  cause: 'checkpoint',
  message: 'before the migration',
  consistency: 'cut',
  root: 'ef'.repeat(32),
  files: 3,
  bytes: 4,
  databases: 1,
  notices: [{ path: 'pipe', reason: 'fifo-skipped' }],
  index: { baseObjects: ['index/org/ws/x'], deltaPacks: [PACK] },
  packs: [PACK],
}

function decodeAs(change: Record<string, unknown>): GenerationRecord {
  return decodeGenerationRecord(Buffer.from(JSON.stringify({ ...RECORD, ...change })))
}

describe('a generation record', () => {
  test('is read as it was written, under the hash of its bytes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 50 }).map((value) => value.toWellFormed())
    fc.assert(
      fc.property(text, fc.maxSafeNat(), (message, bytes) => {
        const record = { ...RECORD, message, bytes }
        const encoded = encodeGenerationRecord(record)
        assert.equal(encoded.id, hash('sha256', encoded.bytes, 'hex'))
        assert.deepEqual(decodeGenerationRecord(encoded.bytes), { ...record, id: encoded.id })
      }),
    )
  })

  test('of the first generation has no parent', () => {
    assert.equal(decodeAs({ parent: null }).parent, null)
  })

  test('with a field that is absent or of another type is refused', () => {
    for (const key of Object.keys(RECORD)) {
      if (key === 'format') continue
      for (const value of [undefined, {}, [{}], true, -1, 1.5]) {
        assert.throws(
          () => decodeAs({ [key]: value }),
          (error) => isFailure(error, 'object-corrupt'),
          `${key}: ${String(value)}`,
        )
      }
    }
  })

  test('with a hash that is none, or a consistency that nobody promised, is refused', () => {
    const changes = [
      { root: 'EF'.repeat(32) },
      { parent: 'x' },
      { consistency: 'maybe' },
      { packs: [{ ...PACK, sha256: '' }] },
    ]
    for (const change of changes) {
      assert.throws(
        () => decodeAs(change),
        (error) => isFailure(error, 'object-corrupt'),
      )
    }
  })

  test('of another format is refused as newer', () => {
    assert.throws(
      () => decodeAs({ format: 2 }),
      (error) => isFailure(error, 'version-unknown'),
    )
  })

  test('that is not JSON, or no object, is refused', () => {
    for (const text of ['', '{', 'null', '7', '"x"', '\xff\xfe']) {
      assert.throws(
        () => decodeGenerationRecord(Buffer.from(text, 'latin1')),
        (error) => isFailure(error, 'object-corrupt'),
      )
    }
  })
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import { errnoOf } from './errno.ts'
import { Failure, failureToWire, isFailure } from './failure.ts'

const CODES = Object.keys(FAILURES) as FailureCode[]

describe('a failure', () => {
  test('says of itself what the table says of its code', () => {
    for (const code of CODES) {
      const failure = new Failure(code, 'said', { path: 'a' })
      assert.equal(failure.kind, FAILURES[code].kind)
      assert.equal(failure.hint, FAILURES[code].hint)
      assert.equal(failure.retryable, FAILURES[code].kind === 'unavailable')
      assert.equal(failure.message, 'said')
      assert.deepEqual(failure.details, { path: 'a' })
      assert.ok(failure instanceof Error)
    }
  })

  test('is known by its code, by one of several, or by being one', () => {
    const failure = new Failure('store-full', 'full')
    assert.ok(isFailure(failure))
    assert.ok(isFailure(failure, 'store-full'))
    assert.ok(isFailure(failure, 'volume-full', 'store-full'))
    assert.ok(!isFailure(failure, 'volume-full'))
    for (const other of [new Error('x'), 'store-full', null, undefined, { code: 'store-full' }])
      assert.ok(!isFailure(other))
  })

  test('keeps what it was caused by, and has no cause without one', () => {
    const cause = new Error('below')
    assert.equal(new Failure('internal', 'x', {}, cause).cause, cause)
    assert.ok(!('cause' in new Failure('internal', 'x')))
  })

  test('crosses to another process as plain values; any other error as internal, with its stack', () => {
    const wire = failureToWire(new Failure('not-found', 'gone', { path: 'a' }))
    assert.deepEqual(structuredClone(wire), { code: 'not-found', message: 'gone', details: { path: 'a' } })
    const other = failureToWire(new TypeError('a defect'))
    assert.equal(other.code, 'internal')
    assert.match(other.message, /TypeError: a defect\n.*failure\.test/)
    assert.deepEqual(failureToWire('just text'), { code: 'internal', message: 'just text', details: {} })
  })
})

describe('the errno of an error', () => {
  test('is that of a system error, and of nothing else', () => {
    try {
      readFileSync('/nowhere/at/all')
      assert.fail('read')
    } catch (error) {
      assert.equal(errnoOf(error), 'ENOENT')
    }
    for (const other of [new Error('x'), { code: 'ENOENT' }, 'ENOENT', null, undefined])
      assert.equal(errnoOf(other), undefined)
  })
})

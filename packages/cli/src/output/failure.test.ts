import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '@holdfast/base/failure'
import { FAILURES } from '@holdfast/protocol/failures'
import { EXIT, exitCodeOf } from '../exit-codes.ts'
import { asFailure, failureJson, failureStack, failureText } from './failure.ts'
import { plainPaint } from './paint.ts'

test('a person reads what happened and what to do next', () => {
  const failure = new Failure('not-found', 'no generation 9')
  assert.equal(failureText(failure, plainPaint), `hold: no generation 9\n  → ${FAILURES['not-found'].hint}\n`)
})

test('a program reads code, details, hint and whether to try again on one line', () => {
  const failure = new Failure('store-unavailable', 'no answer', { attempts: 3 })
  assert.deepEqual(JSON.parse(failureJson(failure)), {
    error: {
      code: 'store-unavailable',
      message: 'no answer',
      details: { attempts: 3 },
      hint: FAILURES['store-unavailable'].hint,
      retryable: true,
    },
  })
  assert.equal(failureJson(failure).split('\n').length, 2)
})

test('a message of foreign origin cannot drive the terminal', () => {
  assert.ok(!failureText(new Failure('not-found', 'no \x1b[2J\r'), plainPaint).includes('\x1b'))
})

test('a system error has the code of its errno, and anything else is a defect', () => {
  const cases: readonly [string, string][] = [
    ['ENOENT', 'not-found'],
    ['EACCES', 'no-permission'],
    ['ENOSPC', 'volume-full'],
    ['EIO', 'source-failed'],
    ['EWHATEVER', 'internal'],
  ]
  for (const [errno, code] of cases) {
    assert.equal(asFailure(Object.assign(new Error('x'), { code: errno })).code, code)
  }
  assert.equal(asFailure(new TypeError('x')).code, 'internal')
  assert.equal(asFailure('text').message, 'text')
})

test('where closing fails too, the first failure is told', () => {
  const first = new Failure('store-full', 'first')
  assert.equal(asFailure(new SuppressedError(new Error('closing'), first)), first)
})

test('the stack of a failure names its causes', () => {
  const stack = failureStack(new Failure('internal', 'outer', {}, new Error('inner')))
  assert.match(stack, /outer[\s\S]*caused by Error: inner/)
})

test('exit codes tell usage, platform, timeout and failure apart', () => {
  const cases: readonly [Failure, number][] = [
    [new Failure('invalid-argument', ''), EXIT.usage],
    [new Failure('unsupported-here', ''), EXIT.platform],
    [new Failure('helper-failed', ''), EXIT.platform],
    [new Failure('outcome-unknown', '', { timeoutMs: 5 }), EXIT.timeout],
    [new Failure('outcome-unknown', ''), EXIT.failure],
    [new Failure('chunk-corrupt', ''), EXIT.failure],
  ]
  for (const [failure, code] of cases) assert.equal(exitCodeOf(failure), code)
})

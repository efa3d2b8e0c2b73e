import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeUse, unusedCodeFindings } from './failure-codes.ts'

const CODES = ['lease-lost', 'lease-held', 'not-found', 'internal']

test('a code is thrown where production names it, not where it is compared with', () => {
  const text = `
    throw new Failure('lease-lost', 'gone')
    if (isFailure(error, 'lease-held') || error.code === 'not-found') return
    // new Failure('internal', '')`
  const { thrown } = codeUse([{ path: 'packages/base/src/a.ts', text }], CODES)
  assert.deepEqual([...thrown], ['lease-lost'])
})

test('neither the table nor a test throws a code', () => {
  const text = `const code = 'lease-lost'`
  const paths = [
    'packages/protocol/src/failures.ts',
    'packages/base/src/a.test.ts',
    'packages/testkit/src/a.ts',
  ]
  const { thrown } = codeUse(
    paths.map((path) => ({ path, text })),
    CODES,
  )
  assert.deepEqual([...thrown], [])
})

test('a code is tested where test code names the whole of it', () => {
  const files = [
    { path: 'packages/base/src/a.test.ts', text: `assert.rejects(run, { code: 'lease-lost' }) // internal` },
    { path: 'packages/testkit/src/a.ts', text: 'assert.match(text, /lease-held/)' },
    { path: 'tests/a.test.ts', text: `test('not-found-again')` },
    { path: 'packages/base/src/b.ts', text: `new Failure('internal', '')` },
  ]
  assert.deepEqual([...codeUse(files, CODES).tested], ['lease-lost', 'lease-held'])
})

test('an unused code is reported, and so is an exception that has become unnecessary', () => {
  const findings = unusedCodeFindings(
    CODES,
    new Set(['lease-lost', 'internal']),
    new Set(['lease-held', 'internal']),
  )
  assert.deepEqual(findings, ['not-found is never used', 'internal is used by now: take it off the list'])
})

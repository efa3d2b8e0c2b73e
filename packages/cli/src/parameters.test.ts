import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { parseInnerPath } from './commands/dir/parameters-of-dir.ts'
import { parseCount, parseDurationMs } from './parameters.ts'

const refused = (error: unknown) => isFailure(error, 'invalid-argument')

test('durations are a number and a unit', () => {
  const bounds = { minMs: 10, maxMs: 86_400_000 }
  const cases: readonly [string, number][] = [
    ['500ms', 500],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
  ]
  for (const [text, ms] of cases) assert.equal(parseDurationMs('--every', text, bounds), ms)
  for (const text of ['', '5', '1.5s', '-1s', '9ms', '2d', '1w', '1s ', 's'])
    assert.throws(() => parseDurationMs('--every', text, bounds), refused, text)
})

test('counts are whole numbers within their bounds', () => {
  assert.equal(parseCount('--limit', '12', { min: 1, max: 100 }), 12)
  for (const text of ['0', '101', '1e2', ' 1', '', '0x1', '-5', '9'.repeat(30)])
    assert.throws(() => parseCount('--limit', text, { min: 1, max: 100 }), refused, text)
})

test('a path inside of a directory may be written in any way that stays inside', () => {
  for (const text of ['a/b', './a/b', 'a//b/', '/a/./b']) assert.equal(parseInnerPath(text), 'a/b')
  for (const text of ['', '.', '/']) assert.equal(parseInnerPath(text), '')
  assert.equal(parseInnerPath('é'), Buffer.from('é').toString('latin1'))
  for (const text of ['..', 'a/../../b', '../x']) assert.throws(() => parseInnerPath(text), refused)
})

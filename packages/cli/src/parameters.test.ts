import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { parseInnerPath } from './commands/dir/parameters-of-dir.ts'
import { parseChoice, parseCount, parseDurationMs, parsePairs, parseSizeBytes } from './parameters.ts'

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

test('sizes are powers of 1024, pairs are split at the first =, choices are from their list', () => {
  assert.equal(parseSizeBytes('--memory', '512M'), 512 * 2 ** 20)
  assert.equal(parseSizeBytes('--memory', '2GiB'), 2 ** 31)
  assert.equal(parseSizeBytes('--memory', '1000'), 1000)
  for (const text of ['', '0', '1.5G', 'G', '-1', '9999999999T'])
    assert.throws(() => parseSizeBytes('--memory', text), { code: 'invalid-argument' })
  assert.deepEqual(parsePairs('--env', ['A=b=c', 'D=']), { A: 'b=c', D: '' })
  assert.throws(() => parsePairs('--env', ['=x']), { code: 'invalid-argument' })
  assert.equal(parseChoice('--user', 'root', ['user', 'root']), 'root')
  assert.equal(parseChoice('--user', undefined, ['user']), undefined)
  assert.throws(() => parseChoice('--user', 'nobody', ['user']), { code: 'invalid-argument' })
})

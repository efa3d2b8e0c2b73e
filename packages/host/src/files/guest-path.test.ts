import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { parseRange } from './byte-span.ts'
import { parseListing } from './file-listing.ts'
import { eventsBetween } from './file-watch.ts'
import { guestName, guestPath } from './guest-path.ts'

const invalid = (error: unknown) => isFailure(error, 'invalid-argument')

test('paths are relative to the workspace and never look like options', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['a', './a'],
    ['/workspace/a/b/', './a/b'],
    ['/workspace', '.'],
    ['.', '.'],
    ['a/../b', './b'],
    ['-rf', './-rf'],
    ['//workspace//a', './a'],
  ]
  for (const [given, wanted] of cases) assert.equal(guestPath(given), wanted, given)
  for (const path of ['..', '/etc', '/workspace2', 'a/../../b', 'a\0b', '/'])
    assert.throws(() => guestPath(path), invalid)
  assert.throws(() => guestName('/workspace/'), invalid)
})

test('ranges are cut to the file', () => {
  assert.deepEqual(parseRange(undefined, 10), { start: 0, length: 10, isPart: false })
  assert.deepEqual(parseRange('bytes=2-4', 10), { start: 2, length: 3, isPart: true })
  assert.deepEqual(parseRange('bytes=8-', 10), { start: 8, length: 2, isPart: true })
  assert.deepEqual(parseRange('bytes=-3', 10), { start: 7, length: 3, isPart: true })
  assert.deepEqual(parseRange('bytes=5-99', 10), { start: 5, length: 5, isPart: true })
  assert.deepEqual(parseRange('bytes=0-1,4-5', 10), { start: 0, length: 10, isPart: false })
  assert.throws(() => parseRange('bytes=10-', 10), invalid)
})

test('a listing that was cut loses its last name alone', () => {
  const whole = ['f', '5', '644', '1.5', '', './a', 'l', '1', '777', '2', 'x', './l', ''].join('\0')
  assert.deepEqual(
    parseListing(Buffer.from(whole)).map(({ path, kind, modifiedAt, target }) => [
      path,
      kind,
      modifiedAt,
      target,
    ]),
    [
      ['a', 'file', 1500, null],
      ['l', 'symlink', 2000, 'x'],
    ],
  )
  assert.equal(parseListing(Buffer.from(whole.slice(0, -3))).length, 1)
})

test('events tell what differs between two looks', () => {
  const before = new Map([
    ['d', 'd 1'],
    ['a', 'f 1'],
    ['b', 'f 1'],
  ])
  const after = new Map([
    ['d', 'd 2'],
    ['a', 'f 2'],
    ['c', 'f 1'],
  ])
  assert.deepEqual(eventsBetween(before, after, '.'), [
    { kind: 'removed', path: 'b' },
    { kind: 'changed', path: 'a' },
    { kind: 'created', path: 'c' },
  ])
  assert.deepEqual(eventsBetween(before, null, './x'), [{ kind: 'overflow', path: 'x' }])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { checkByteRange, checkKeyPrefix, checkObjectKey, measureParts } from './object-key.ts'

const refused = (error: unknown) => isFailure(error, 'invalid-argument')
const part = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}$/)
const key = fc.array(part, { minLength: 1, maxLength: 8 }).map((parts) => parts.join('/'))

test('a key of plain parts is accepted, and so is each of its beginnings', () => {
  fc.assert(
    fc.property(key, fc.nat(), (text, cut) => {
      checkObjectKey(text)
      checkKeyPrefix(text.slice(0, cut % (text.length + 1)))
    }),
  )
})

test('a key that could leave its folder, or that some store cannot name, is refused', () => {
  const bad = [
    ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/./b', '../a', 'a/..'],
    ['a b', 'a\\b', 'a\0', 'ä', 'a\n', 'a%2e', '*', 'a:b', '~a+', 'a\u2028'],
    ['k'.repeat(256), `${'k/'.repeat(256)}k`],
  ].flat()
  for (const text of bad) assert.throws(() => checkObjectKey(text), refused, JSON.stringify(text))
})

test('a prefix with a finished part that no key has is refused', () => {
  for (const text of ['/', '//', 'a//', './a', '../', 'a/../b', 'ä', 'x'.repeat(513)]) {
    assert.throws(() => checkKeyPrefix(text), refused, JSON.stringify(text))
  }
  for (const text of ['', 'a', 'a/', 'a/.', 'a/..', 'a/b.']) checkKeyPrefix(text)
})

test('any text is either a key or refused by name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
      for (const check of [checkObjectKey, checkKeyPrefix]) {
        try {
          check(text)
          assert.match(text, /^[A-Za-z0-9._/-]*$/)
        } catch (error) {
          assert.ok(refused(error))
        }
      }
    }),
  )
})

test('a range is whole, positive and exact', () => {
  checkByteRange({ offset: 0, length: 0 })
  for (const [offset, length] of [
    [-1, 1],
    [0, -1],
    [0.5, 1],
    [0, Number.NaN],
    [Number.MAX_SAFE_INTEGER, 1],
  ]) {
    assert.throws(() => checkByteRange({ offset: offset ?? 0, length: length ?? 0 }), refused)
  }
})

test('the parts of an object are measured before any is stored', () => {
  assert.equal(measureParts([new Uint8Array(3), new Uint8Array(0), new Uint8Array(4)]), 7)
  const large = new Uint8Array(512 * 1024 * 1024)
  assert.throws(() => measureParts([large, large, new Uint8Array(1)]), refused)
})

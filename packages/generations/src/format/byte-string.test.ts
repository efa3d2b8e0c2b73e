import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { byteStrings } from '@holdfast/testkit/entry-arbitraries'
import fc from 'fast-check'
import { baseName, fromText, isAscii, joinPath, parentPath, toFsPath, toText } from './byte-string.ts'

describe('byte strings', () => {
  test('text and bytes are each other’s inverse wherever the text holds no control character', () => {
    const text = fc
      .string({ unit: 'binary', maxLength: 40 })
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are escaped for people
      .map((value) => value.replace(/[\x00-\x1f\x7f]/g, 'x').toWellFormed())
    fc.assert(fc.property(text, (value) => assert.equal(toText(fromText(value)), value)))
  })

  test('the path for a file function is the very bytes', () => {
    fc.assert(
      fc.property(byteStrings({ maxLength: 60 }), (bytes) => {
        const path = toFsPath(bytes)
        assert.equal(Buffer.from(path as string).toString('latin1'), bytes)
        assert.equal(typeof path === 'string', isAscii(bytes))
      }),
    )
  })

  test('what a person sees is printable, whatever the bytes', () => {
    fc.assert(
      fc.property(byteStrings({ maxLength: 60 }), (bytes) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the promise
        assert.doesNotMatch(toText(bytes), /[\x00-\x1f\x7f\ufffd]/)
      }),
    )
  })

  test('bytes that are not UTF-8 are shown as hex, UTF-8 as it is, newlines escaped', () => {
    assert.equal(toText('Caf\xe9'), 'Caf\\xe9')
    assert.equal(toText(fromText('Café 日本')), 'Café 日本')
    assert.equal(toText('a\nb\x7f'), 'a\\x0ab\\x7f')
  })

  test('byte strings sort as the bytes that they stand for', () => {
    const pair = fc.tuple(byteStrings({ maxLength: 8 }), byteStrings({ maxLength: 8 }))
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const order = Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'))
        assert.equal(order, a < b ? -1 : a > b ? 1 : 0)
      }),
    )
  })

  test('a joined path comes apart again', () => {
    assert.equal(joinPath('', 'a'), 'a')
    assert.equal(joinPath('a/b', 'c'), 'a/b/c')
    assert.equal(parentPath('a/b/c'), 'a/b')
    assert.equal(parentPath('a'), '')
    assert.equal(baseName('a/b/c'), 'c')
    assert.equal(baseName('a'), 'a')
  })
})

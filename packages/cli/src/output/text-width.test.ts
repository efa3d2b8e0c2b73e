import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import stringWidth from 'string-width'
import { textWidth } from './text-width.ts'

test('a text is as wide as its characters are in every script', () => {
  for (const text of ['', 'plain', 'cut…', 'häuser', '日本語', '👩‍👩‍👧', '\u001b[1mbold\u001b[0m', 'e\u0301'])
    assert.equal(textWidth(text), stringWidth(text), text)
  const characters = fc.constantFrom(...' ~a…', '\u0301', '\u200d', '\ufe0f', '語', '👩')
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: characters }), fc.string({ unit: 'binary' })), (text) =>
      assert.equal(textWidth(text), stringWidth(text)),
    ),
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromStored, toStored } from './postgres-text.ts'

test('any text is stored without U+0000 and comes back as it was, and different texts stay different', () => {
  const character = fc.constantFrom('\u0000', '\ue000', '0', '1', 'é', '🙂')
  const text = fc.array(character, { maxLength: 12 }).map((characters) => characters.join(''))
  fc.assert(
    fc.property(text, text, (one, other) => {
      assert.ok(!toStored(one).includes('\u0000'))
      assert.equal(fromStored(toStored(one)), one)
      assert.equal(toStored(one) === toStored(other), one === other)
    }),
  )
})

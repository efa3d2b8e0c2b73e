import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from './turns.ts'

test('work is cut into slices, between which others come to their turn', async () => {
  const turns = Turns.ofBytes()
  let isServed = false
  setImmediate(() => {
    isServed = true
  })
  assert.equal(turns.isOver(1000), false)
  assert.equal(turns.isOver(1 << 20), true)
  await turns.pass()
  assert.equal(isServed, true)
  assert.equal(turns.isOver(), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from './until.ts'

test('what is looked for is given once it is there, also where it is null, zero or empty', async () => {
  let looks = 0
  assert.equal(await until('a third look', () => (++looks < 3 ? undefined : looks), { everyMs: 1 }), 3)
  assert.equal(await until('truth', async () => true), true)
  assert.equal(await until('nothing', () => null), null)
  assert.equal(await until('no words', () => ''), '')
})

test('what does not come is named, and a look that fails is not repeated', async () => {
  await assert.rejects(
    until('rain', () => false, { withinMs: 30, everyMs: 1 }),
    { message: 'rain: not within 30 ms' },
  )
  let looks = 0
  const failing = () => {
    looks++
    throw new Error('blind')
  }
  await assert.rejects(until('rain', failing), { message: 'blind' })
  assert.equal(looks, 1)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { Slots } from './slots.ts'

test('so many work at once, so many wait in turn, and one more is refused', async () => {
  const slots = new Slots({ atOnce: 1, waiting: 1 })
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = slots.during(async () => {
    await gate.promise
    order.push('first')
    throw new Error('fails')
  })
  const second = slots.during(async () => order.push('second'))
  await assert.rejects(
    slots.during(async () => order.push('third')),
    (error) => isFailure(error, 'overloaded'),
  )
  gate.resolve()
  await assert.rejects(first, /fails/)
  await second
  await slots.during(async () => order.push('fourth'))
  assert.deepEqual(order, ['first', 'second', 'fourth'])
})

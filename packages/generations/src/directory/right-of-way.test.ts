import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { RightOfWay } from './right-of-way.ts'

test('other work goes on at once, after what goes first, or after a while', async () => {
  const clock = new ManualClock()
  const way = new RightOfWay(clock)
  await way.giveWay()
  const commit = Promise.withResolvers<string>()
  const during = way.during(() => commit.promise)
  let passed = 0
  const pass = () => way.giveWay().then(() => passed++)
  const [first, second] = [pass(), pass()]
  await clock.pass(199)
  assert.equal(passed, 0)
  await clock.pass(1)
  await Promise.all([first, second])
  const third = pass()
  commit.resolve('done')
  assert.equal(await during, 'done')
  await third
  assert.equal(passed, 3)
  await assert.rejects(way.during(() => Promise.reject(new Error('failed'))))
  await way.giveWay()
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { EventSignal } from './event-signal.ts'

function world() {
  const clock = new ManualClock()
  const state = { id: 0, reads: 0 }
  const signal = new EventSignal(clock, async () => {
    state.reads++
    return state.id
  })
  return { clock, state, signal }
}

test('what happens between two waits of a follower is not missed', async () => {
  const { signal } = world()
  using follower = signal.follow()
  await signal.tell()
  await signal.tell()
  await follower.next()
  const next = follower.next()
  await signal.tell()
  await next
})

test('the commit of another replica wakes all who follow, with one question and one timer for all', async () => {
  const { clock, state, signal } = world()
  using followers = new DisposableStack()
  const woken: number[] = []
  for (let number = 0; number < 100; number++) {
    const follower = followers.use(signal.follow())
    void follower.next().then(() => woken.push(number))
  }
  await clock.pass(1000)
  assert.deepEqual([woken.length, state.reads, clock.sleeps], [0, 4, 5])
  state.id = 7
  await clock.pass(250)
  assert.equal(woken.length, 100)
})

test('a follower is woken now and then though nothing happens, and nobody looks once all have left', async () => {
  const { clock, state, signal } = world()
  {
    using follower = signal.follow()
    const next = follower.next()
    await clock.pass(15_000)
    await next
  }
  await clock.pass(250)
  const { reads } = state
  await clock.pass(60_000)
  assert.equal(state.reads, reads)
  await signal.tell()
  assert.equal(state.reads, reads)
})

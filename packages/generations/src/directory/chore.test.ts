import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '@holdfast/base/failure'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { type Chore, ChoreLoop } from './chore.ts'

const NEVER = Number.POSITIVE_INFINITY

/** A chore that notes when it runs. */
class NotedChore implements Chore {
  readonly runs: number[] = []
  readonly #clock: ManualClock
  readonly #beganAt: number
  at = NEVER
  work: (signal: AbortSignal) => Promise<void> = async () => {}

  constructor(clock: ManualClock) {
    this.#clock = clock
    this.#beganAt = clock.monotonicMs()
  }

  dueAt(): number {
    return this.#beganAt + this.at
  }

  async run(signal: AbortSignal): Promise<void> {
    this.runs.push(this.#clock.monotonicMs() - this.#beganAt)
    this.at = NEVER
    await this.work(signal)
  }
}

test('a chore is done when it is due, and one with nothing to do wakes nobody', async () => {
  const clock = new ManualClock()
  const chore = new NotedChore(clock)
  await using loop = new ChoreLoop(clock, chore)
  await clock.pass(20 * 3600_000)
  assert.deepEqual([chore.runs, clock.sleeps], [[], 1])
  chore.at = 20 * 3600_000 + 500
  loop.look()
  await clock.pass(499)
  assert.deepEqual(chore.runs, [])
  await clock.pass(1)
  assert.deepEqual(chore.runs, [20 * 3600_000 + 500])
})

test('a look at a chore that is due no earlier than known sets no timer', async () => {
  const clock = new ManualClock()
  const chore = new NotedChore(clock)
  chore.at = 5000
  await using loop = new ChoreLoop(clock, chore)
  for (let commits = 0; commits < 100; commits++) {
    await clock.pass(10)
    loop.look()
  }
  assert.equal(clock.sleeps, 1)
})

test('a failure shows until a run ends well, and is tried again later and later', async () => {
  const clock = new ManualClock()
  const chore = new NotedChore(clock)
  let failures = 7
  chore.at = 0
  chore.work = async () => {
    if (failures-- <= 0) return
    chore.at = 0
    throw new Failure('store-unavailable', 'away')
  }
  await using loop = new ChoreLoop(clock, chore)
  await clock.pass(1)
  assert.equal(loop.lastFailure?.code, 'store-unavailable')
  await clock.pass(3600_000)
  const pauses = chore.runs.map((at, index) => at - (chore.runs[index - 1] ?? 0))
  assert.deepEqual(pauses, [0, 1000, 5000, 30_000, 120_000, 600_000, 600_000, 600_000])
  assert.equal(loop.lastFailure, null)
})

test('the end gives up what is under way and waits for it', async () => {
  const clock = new ManualClock()
  const chore = new NotedChore(clock)
  let isGivenUp = false
  chore.at = 0
  chore.work = async (signal) => {
    try {
      await clock.sleep(3600_000, signal)
    } finally {
      isGivenUp = true
    }
  }
  const loop = new ChoreLoop(clock, chore)
  await clock.pass(1)
  await loop[Symbol.asyncDispose]()
  assert.deepEqual([isGivenUp, chore.runs.length, loop.lastFailure], [true, 1, null])
})

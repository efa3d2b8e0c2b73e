import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '@holdfast/base/clock'
import type { CommitOutcome } from '../commit/committer.ts'
import type { Volume } from '../volume/volume.ts'
import { PutBudget } from './put-budget.ts'
import { RightOfWay } from './right-of-way.ts'
import { WatchLoop } from './watch-loop.ts'
import { WatchRounds } from './watch-rounds.ts'

/** Time that passes only in sleeps, and at once. */
class LeapingClock implements Clock {
  #nowMs = 0

  wallMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await turn()
    signal?.throwIfAborted()
    this.#nowMs += ms
  }
}

const volume: Volume = {
  kind: 'live',
  path: '/files',
  capture: async () => ({
    image: { path: '/files', changes: { kind: 'unknown' }, consistency: 'per-database' },
    frozenMs: 0,
    accept: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }),
  [Symbol.asyncDispose]: async () => {},
}

function committed(sequence: number, newObjects: number): CommitOutcome {
  const generation = {
    ...{ id: `g${sequence}`, parent: null, sequence, recordPack: '', root: '', message: '', createdAt: 0 },
    ...{ files: 1, bytes: 1, newBytes: 1, newObjects, databases: 0, notices: [] },
    cause: 'periodic' as const,
    consistency: 'per-database' as const,
  }
  return { kind: 'committed', generation }
}

/** A watch of a directory that changes all the time, each commit of which creates `puts` objects. */
function watchOf(budget: PutBudget | undefined, puts: number) {
  const clock = new LeapingClock()
  const committedAt: number[] = []
  const writer = {
    commit: async () => committed(committedAt.push(clock.monotonicMs()), puts),
    prepare: async () => 'little' as const,
  }
  const workload = { freezer: null, cpuNs: () => null }
  const rounds = new WatchRounds({ clock, volume, writer, workload })
  const rightOfWay = new RightOfWay(clock)
  const timing = { everyMs: 1000, budget, rightOfWay }
  const loop = new WatchLoop({
    clock,
    rounds,
    ...timing,
    saveState: () => true,
    onCommitted: () => {},
    onFailed: () => {},
  })
  return { clock, committedAt, loop }
}

async function passed(clock: Clock, untilMs: number): Promise<void> {
  while (clock.monotonicMs() < untilMs) await turn()
}

test('without a budget a directory that always changes is committed every second', async () => {
  const { clock, committedAt, loop } = watchOf(undefined, 1)
  const ended = loop.run()
  await passed(clock, 100_000)
  assert.equal(loop.rpoMs, 1000)
  loop.finish()
  assert.equal(await ended, null)
  assert.ok(committedAt.length >= 100)
})

test('with a budget it slows down from one second to three, five at most, and the status says so', async () => {
  for (const [puts, slowMs] of [
    [1, 3000],
    [10, 5000],
  ] as const) {
    const { clock, committedAt, loop } = watchOf(new PutBudget(0), puts)
    const ended = loop.run()
    await passed(clock, 300_000)
    assert.deepEqual(committedAt.slice(0, 2), [0, 1000])
    const pauseMs = (committedAt.at(-1) ?? 0) - (committedAt.at(-2) ?? 0)
    assert.ok(Math.abs(pauseMs - slowMs) <= 1, String(pauseMs))
    assert.ok(loop.rpoMs > 1000 && loop.rpoMs <= 5000)
    loop.finish()
    assert.equal(await ended, null)
  }
})

test('whoever waits for a commit does not wait for the budget', async () => {
  const budget = new PutBudget(0)
  const { clock, committedAt, loop } = watchOf(budget, 1)
  budget.spend(0, 1000)
  const ended = loop.run()
  await passed(clock, 60_000)
  const asked = clock.monotonicMs()
  await loop.request({ kind: 'sync' })
  assert.ok((committedAt.at(-1) ?? 0) - asked <= 100)
  loop.finish()
  assert.equal(await ended, null)
})

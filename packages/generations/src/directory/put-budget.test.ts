import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PutBudget, putBudgetFor } from './put-budget.ts'

/** Runs rounds that create `puts` objects each for `forMs`, and gives when each began. */
function rounds(budget: PutBudget, puts: () => number, forMs: number, from = 0): number[] {
  const beganAt: number[] = []
  for (let now = from; now < from + forMs; now += budget.pauseMs(now, 1000)) {
    beganAt.push(now)
    budget.spend(now, puts())
  }
  return beganAt
}

test('twenty puts pass at the cadence asked for, then one every three seconds', () => {
  const beganAt = rounds(new PutBudget(0), () => 1, 10 * 60_000)
  const pauses = beganAt.slice(1).map((at, index) => at - (beganAt[index] ?? 0))
  assert.deepEqual([...new Set(pauses.slice(0, 20))], [1000])
  for (const pause of pauses.slice(-100)) assert.ok(pause >= 2999 && pause <= 3001, String(pause))
})

test('a watch that puts less than twenty times a minute is not slowed down', () => {
  const budget = new PutBudget(0)
  for (let now = 0; now < 30 * 60_000; now += 3_000) {
    assert.equal(budget.pauseMs(now, 1000), 1000)
    budget.spend(now, 1)
  }
})

test('nothing waits longer than five seconds, and a slower cadence stays as it was asked for', () => {
  const budget = new PutBudget(0)
  budget.spend(0, 10_000)
  assert.equal(budget.pauseMs(0, 1000), 5000)
  assert.equal(budget.pauseMs(0, 60_000), 60_000)
})

test('one large commit slows the watch down for about a minute, not for ever', () => {
  const budget = new PutBudget(0)
  budget.spend(0, 10_000)
  assert.equal(budget.pauseMs(55_000, 1000), 5000)
  assert.equal(budget.pauseMs(64_000, 1000), 1000)
})

test('whatever the rounds put, no five minutes hold more rounds than the budget and the longest pause allow', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 50 }), (sizes) => {
      let next = 0
      const beganAt = rounds(new PutBudget(0), () => sizes[next++ % sizes.length] ?? 1, 300_000)
      assert.ok(beganAt.length <= 20 + 300_000 / 3_000, String(beganAt.length))
      assert.ok(beganAt.length >= 300_000 / 5_000)
    }),
    { seed: 20_260_801, numRuns: 200 },
  )
})

test('only S3 has a budget', () => {
  assert.ok(putBudgetFor('s3://bucket/prefix?region=us-east-1', 0))
  for (const address of ['/var/store', 'file:/s3:/x', 'memory:'])
    assert.equal(putBudgetFor(address, 0), undefined)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import { seededRandomness } from '@holdfast/testkit/seeded-numbers'
import { S3Attempts } from './s3-attempts.ts'

const policy = { attemptsMax: 7, attemptMs: 1_000_000, pauseMs: 100, pauseMsMax: 800 }
const unavailable = new Failure('store-unavailable', 'not now')
const isUnavailable = (error: unknown) => isFailure(error, 'store-unavailable')

/** A clock whose pauses take no time, and whose deadline never comes. */
function recordingClock(pauses: number[]): Clock {
  const sleep = (ms: number, signal?: AbortSignal) => {
    if (ms !== policy.attemptMs) pauses.push(ms)
    if (!signal) return Promise.resolve()
    return new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  return { wallMs: () => 0, monotonicMs: () => 0, sleep }
}

test('the pauses between attempts are random, and grow to a bound', async () => {
  const longest = [0, 0, 0, 0, 0, 0]
  for (let seed = 1; seed <= 60; seed += 1) {
    const pauses: number[] = []
    const attempts = new S3Attempts({
      clock: recordingClock(pauses),
      randomness: seededRandomness(seed),
      policy,
    })
    const call = () => Promise.reject(unavailable)
    await assert.rejects(attempts.run({ name: 'GetObject', key: 'k', call }), isUnavailable)
    assert.equal(pauses.length, 6)
    for (const [index, pause] of pauses.entries()) longest[index] = Math.max(longest[index] ?? 0, pause)
  }
  for (const [index, bound] of [100, 200, 400, 800, 800, 800].entries()) {
    const seen = longest[index] ?? 0
    assert.ok(seen <= bound && seen > bound * 0.8, `pause ${index}: ${seen} of ${bound}`)
  }
})

test('an operation that may have been done ends when a look shows that it was', async () => {
  const attempts = new S3Attempts({ clock: recordingClock([]), randomness: seededRandomness(1), policy })
  let calls = 0
  const call = async () => {
    calls += 1
    throw unavailable
  }
  const request = { name: 'PutObject', key: 'k', call }
  await attempts.runOnce(request, async () => calls === 3)
  assert.equal(calls, 3)
  const refusal = async () => {
    throw new Failure('already-exists', 'other bytes')
  }
  await assert.rejects(attempts.runOnce(request, refusal), (error) => isFailure(error, 'already-exists'))
  assert.equal(calls, 4)
  await assert.rejects(
    attempts.runOnce(request, async () => false),
    isUnavailable,
  )
  assert.equal(calls, 11)
})

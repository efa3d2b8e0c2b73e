import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RETRY_DEFAULT, retryWaitMs } from './retry.ts'

const busy = { retryable: true, retryAfterMs: undefined }

test('the wait doubles up to a bound, and is never the same for all', () => {
  const waits = [1, 2, 3, 4].map((number) => retryWaitMs(busy, { number, random: 1 }, RETRY_DEFAULT))
  assert.deepEqual(waits, [100, 200, 400, 800])
  assert.equal(retryWaitMs(busy, { number: 1, random: 0 }, RETRY_DEFAULT), 50)
  const patient = { attemptsMax: 100, baseMs: 100, waitMsMax: 5000 }
  assert.equal(retryWaitMs(busy, { number: 60, random: 1 }, patient), 5000)
})

test('what cannot succeed later, and what was tried often enough, is given up', () => {
  const attempt = { number: 1, random: 0 }
  assert.equal(retryWaitMs({ ...busy, retryable: false }, attempt, RETRY_DEFAULT), undefined)
  assert.equal(retryWaitMs(busy, { number: 5, random: 0 }, RETRY_DEFAULT), undefined)
})

test('the server says how long to wait, within reason', () => {
  const attempt = { number: 1, random: 0 }
  assert.equal(retryWaitMs({ ...busy, retryAfterMs: 2000 }, attempt, RETRY_DEFAULT), 2050)
  assert.equal(retryWaitMs({ ...busy, retryAfterMs: 3_600_000 }, attempt, RETRY_DEFAULT), undefined)
})

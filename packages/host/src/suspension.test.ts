import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemBootClock } from '@holdfast/base/boot-clock'
import { systemClock } from '@holdfast/base/clock'
import { SuspensionDetector } from './suspension.ts'

test('a machine that stays awake was never suspended', async () => {
  const detector = new SuspensionDetector(systemClock, systemBootClock)
  for (let look = 0; look < 10; look++) {
    assert.equal(detector.resumedAtBootMs(), Number.NEGATIVE_INFINITY)
    await systemClock.sleep(5)
  }
})

test('each growth of the boot clock over the monotonic one is one suspension', () => {
  const now = { monotonic: 0, boot: 500 }
  const detector = new SuspensionDetector({ monotonicMs: () => now.monotonic }, { bootMs: () => now.boot })
  now.monotonic = 10_000
  now.boot = 10_600
  assert.equal(detector.resumedAtBootMs(), Number.NEGATIVE_INFINITY)
  now.boot += 1_000
  assert.equal(detector.resumedAtBootMs(), 11_600)
  now.monotonic += 5_000
  now.boot += 5_000
  assert.equal(detector.resumedAtBootMs(), 11_600)
})

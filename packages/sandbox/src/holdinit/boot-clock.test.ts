import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { CLOCK_GRAIN_MS, systemBootClock } from '@holdfast/base/boot-clock'
import { PID_NAMESPACE, startHoldinit } from './running-holdinit.fixture.ts'

const LIMITS = { timeout: 20_000 }
const OFF_MS = 100_000_000

test('the host reads the clock that holdinit counts on, and never ahead of it', LIMITS, async (t) => {
  const before = systemBootClock.bootMs()
  const { holdinit } = await startHoldinit(t)
  const after = systemBootClock.bootMs()
  const { bootMs } = holdinit.welcome
  assert.ok(before <= bootMs && bootMs <= after + CLOCK_GRAIN_MS, `${before} ${bootMs} ${after}`)
})

test('a sandbox with another boot clock ends by that of its host', LIMITS, async (t) => {
  const wrapper = ['unshare', '--time', '--boottime', String(OFF_MS / 1000), ...PID_NAMESPACE.slice(1)]
  const flags = { deadlineBootMs: systemBootClock.bootMs() + OFF_MS + 30_000 }
  const { holdinit, child } = await startHoldinit(t, { wrapper, flags })
  assert.ok(Math.abs(holdinit.welcome.bootMs - OFF_MS - systemBootClock.bootMs()) < 1000)
  const deadline = systemBootClock.bootMs() + 300
  await holdinit.extend(deadline)
  await once(child, 'exit')
  const lateMs = systemBootClock.bootMs() - deadline
  assert.ok(lateMs > -60 && lateMs < 200, `${lateMs} ms`)
})

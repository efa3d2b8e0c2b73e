import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { bootMs } from './boot-clock.ts'
import { Installation, LEASE_MARGIN_MS, LEASE_TTL_MS } from './installation.ts'
import { Ledger } from './ledger.ts'
import { assertApart, beginTicks, ticksOf } from './ticks.ts'

const LIMITS = { timeout: 60_000 }
/** Ticks are apart by milliseconds; a machine with few processors may keep them waiting. */
const STILL_MS_MAX = 1_500

test('control that is stopped for many leases fences no workspace', LIMITS, async () => {
  await using installation = await Installation.start()
  const workspace = await installation.client.create()
  const ledger = await Ledger.begin(workspace)
  const epoch = await beginTicks(installation, workspace)
  installation.control.signal('SIGSTOP')
  const stoppedMs = bootMs()
  await delay(3 * LEASE_TTL_MS)
  const [last = 0] = ticksOf(installation, workspace, epoch).slice(-1)
  assert.ok(bootMs() - last < STILL_MS_MAX && last > stoppedMs, 'it runs on meanwhile')
  installation.control.signal('SIGCONT')
  await ledger.sync()
  await delay(LEASE_TTL_MS)
  const { state, status } = await workspace.refresh()
  assert.deepEqual([state.epoch, status], [epoch, 'idle'])
  await ledger.rest()
  await ledger.audit()
})

test(
  'while leases cannot be renewed nothing runs past its deadline, and then all runs on',
  LIMITS,
  async () => {
    await using installation = await Installation.start()
    const workspace = await installation.client.create()
    const ledger = await Ledger.begin(workspace)
    const first = await beginTicks(installation, workspace)
    await ledger.sync()
    installation.lease.signal('SIGSTOP')
    const deadlineMs = bootMs() + LEASE_TTL_MS - LEASE_MARGIN_MS
    await delay(2 * LEASE_TTL_MS)
    installation.lease.signal('SIGCONT')
    await installation.recovered(workspace, first)
    await ledger.audit()
    const second = await beginTicks(installation, workspace)
    assertApart(installation, workspace, { first, second, deadlineMs })
  },
)

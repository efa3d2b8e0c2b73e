import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemRandomness } from '@holdfast/base/randomness'
import type { Workspace } from '@holdfast/client/workspace'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { until } from '@holdfast/testkit/until'
import { forgiveUnavailable, Installation } from './installation.ts'
import { Ledger } from './ledger.ts'

const LONG = process.env.HOLDFAST_LONG !== undefined
const CYCLES = LONG ? 1_000 : 30
const CYCLE_MS_MAX = 30_000
/** Within it a sync begins, takes its cut, puts its packs and becomes the head. */
const KILL_WITHIN_MS = 400
const ALLOWED = ['idle', 'busy', 'provisioning']

test('a host agent that is killed loses nothing that was synced, and its workspace runs on elsewhere', {
  timeout: 60_000,
}, async () => {
  await using installation = await Installation.start()
  const workspace = await installation.client.create()
  const ledger = await Ledger.begin(workspace)
  await ledger.sync()
  const { epoch } = (await workspace.refresh()).state
  const first = installation.hostOf(workspace) ?? ''
  await installation.host(first).kill()
  await installation.recovered(workspace, epoch)
  assert.notEqual(installation.hostOf(workspace), first)
  await ledger.audit()
})

test(`${CYCLES} times a role is killed at any moment: nothing acknowledged is lost, and the workspace runs on`, {
  timeout: CYCLES * CYCLE_MS_MAX,
}, async (t) => {
  const seed = LONG ? Buffer.from(systemRandomness.bytes(4)).readUInt32LE() : 7
  t.diagnostic(`seed ${seed}`)
  const next = seededNumbers(seed)
  await using installation = await Installation.start()
  const workspace = await installation.client.create()
  const ledger = await Ledger.begin(workspace)
  await ledger.sync()
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const roles = [...installation.hosts.values(), installation.control, installation.lease]
    const role = roles[Math.floor(next() * roles.length)] ?? installation.lease
    const syncing = ledger.sync().catch(forgiveUnavailable)
    await delay(next() * KILL_WITHIN_MS)
    await role.kill()
    await role.start()
    await syncing
    await until(`cycle ${cycle}: it runs on after ${role.settings.role} was killed`, () =>
      audited(workspace, ledger),
    )
  }
  assert.ok(ledger.durableRows > CYCLES, 'most syncs were acknowledged')
})

/** True once nothing is missing and the ledger goes on; undefined while control or the host cannot answer yet. */
async function audited(workspace: Workspace, ledger: Ledger): Promise<true | undefined> {
  try {
    const { status } = await workspace.refresh()
    assert.ok(ALLOWED.includes(status), `it is ${status}`)
    await ledger.rest()
    await ledger.audit()
    await ledger.goOn()
    return true
  } catch (error) {
    return forgiveUnavailable(error)
  }
}

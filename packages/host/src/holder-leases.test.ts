import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandomness } from '@holdfast/base/randomness'
import { FaultyLeaseClient } from '@holdfast/testkit/faulty-lease-client'
import { rejectsWith } from '@holdfast/testkit/generation-index-fixture'
import { hostId, LEASE_ORG, workspaceId } from '@holdfast/testkit/lease-registry-fixture'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { openSqliteLeases } from '@holdfast/testkit/sqlite-leases'
import { HolderLeases } from './holder-leases.ts'
import { LeaseHolder } from './lease-holder.ts'

test('what an earlier run had neither proves nor gives back the lease of the present one', async () => {
  await using opened = new AsyncDisposableStack()
  const clock = new ManualClock(1_000_000)
  const bootClock = { bootMs: () => clock.monotonicMs() }
  const database = await openSqliteLeases({ now: () => ({ boot: 'one', ms: clock.monotonicMs() }) })
  opened.defer(() => database.close())
  const [workspace, host] = [workspaceId(1), hostId(1)]
  await database.index.createWorkspace({ id: workspace, org: LEASE_ORG })
  const client = new FaultyLeaseClient(database.registry)
  const randomness = systemRandomness
  const leases = new HolderLeases((events) =>
    opened.use(new LeaseHolder({ client, host, clock, bootClock, randomness, events })),
  )
  const earlier = await leases.acquire(workspace)
  const present = await leases.acquire(workspace)
  assert.ok(present.held.epoch > earlier.held.epoch)
  await rejectsWith('lease-lost', earlier.prove())
  await rejectsWith('lease-lost', earlier.release(null))
  await present.prove()
  const [state] = (await database.registry.leaseStates({ workspaces: [workspace] })).states
  assert.equal(state?.host, host)
  assert.equal(state.epoch, present.held.epoch)
})

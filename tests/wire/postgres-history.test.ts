import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { DatabaseClock } from '@holdfast/lease/database-clock'
import { generationIndexConformance } from '@holdfast/testkit/generation-index-conformance'
import { commitOn, type OpenedIndex, rejectsWith } from '@holdfast/testkit/generation-index-fixture'
import { indexHandlesConformance } from '@holdfast/testkit/generation-index-handles'
import { leaseRegistryConformance } from '@holdfast/testkit/lease-registry-conformance'
import { hostId, LEASE_ORG, ManualDatabaseClock, workspaceId } from '@holdfast/testkit/lease-registry-fixture'
import { openPostgresLeases } from '@holdfast/testkit/postgres-leases'
import { PostgresServer } from '@holdfast/testkit/postgres-server'
import { LeaseRoleGround } from './lease-role-ground.ts'

const server = await PostgresServer.start()
after(() => server[Symbol.asyncDispose]())

/** Two lease roles on one Postgres. */
async function openReplicas(clock: DatabaseClock) {
  await using opened = new AsyncDisposableStack()
  const { index, registry, reopen, reopenLeases, close } = await openPostgresLeases(server, clock)
  opened.defer(close)
  const first = opened.use(await LeaseRoleGround.start({ index, registry }))
  const beside = { index: opened.use(await reopen()), registry: opened.use(await reopenLeases()) }
  const second = opened.use(await LeaseRoleGround.start(beside))
  const held = opened.move()
  return { first, second, index, close: () => held[Symbol.asyncDispose]() }
}

async function openIndex(): Promise<Required<OpenedIndex>> {
  const { first, second, close } = await openReplicas(new ManualDatabaseClock())
  return { index: first.openIndex(), reopen: async () => second.openIndex(), close }
}

generationIndexConformance('the index in Postgres behind the lease role', openIndex)
indexHandlesConformance('the index in Postgres behind two lease roles', openIndex)
leaseRegistryConformance('the registry in Postgres behind the lease role', async (clock) => {
  const { first, index, close } = await openReplicas(clock)
  return { registry: first.registry, index, close }
})

test('what one replica gave another one renews, fences and hands over', async () => {
  const { first, second, index, close } = await openReplicas(new ManualDatabaseClock())
  try {
    const [workspace, host, other, ttlMs] = [workspaceId(1), hostId(1), hostId(2), 15_000]
    await index.createWorkspace({ id: workspace, org: LEASE_ORG })
    const hosts = [1, 2, 3, 4, 5, 6].map(hostId)
    const wish = { workspace, ttlMs, nonce: '', afterEpoch: 0 }
    const asked = hosts.map((asking, n) =>
      (n % 2 === 0 ? first : second).registry.acquireLease({ ...wish, host: asking }),
    )
    const given = (await Promise.allSettled(asked)).filter(({ status }) => status === 'fulfilled')
    assert.equal(given.length, 1)
    const [state] = (await second.registry.leaseStates({ workspaces: [workspace] })).states
    assert.ok(state?.host)
    const release = { workspace, host: state.host, epoch: state.epoch, successor: null }
    await second.registry.releaseLease(release)
    const mine = { ...wish, host, nonce: 'mine', afterEpoch: state.epoch + 1 }
    const lease = await first.registry.acquireLease(mine)
    const again = await second.registry.acquireLease(mine)
    assert.deepEqual(again, lease)
    const [view, seen] = [first.openIndex(), second.openIndex()]
    const commit = commitOn(lease, null)
    await Promise.all([view.append(lease, commit), seen.append(lease, commit)])
    const successor = { host: other, ttlMs }
    const handOver = { workspace, host, epoch: lease.epoch, successor }
    const answers = await Promise.all([
      first.registry.releaseLease(handOver),
      second.registry.releaseLease(handOver),
    ])
    assert.deepEqual(answers[0], answers[1])
    await rejectsWith('lease-lost', view.append(lease, commitOn(lease, commit)))
    const leases = [{ workspace, epoch: lease.epoch + 1 }]
    assert.deepEqual(await second.registry.renewLeases({ host: other, ttlMs, leases }), { lost: [] })
  } finally {
    await close()
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DatabaseClock } from '@holdfast/lease/database-clock'
import { generationIndexConformance } from '@holdfast/testkit/generation-index-conformance'
import {
  commitOn,
  type OpenedIndex,
  ORG,
  rejectsWith,
  WORKSPACE,
} from '@holdfast/testkit/generation-index-fixture'
import { indexHandlesConformance } from '@holdfast/testkit/generation-index-handles'
import { leaseRegistryConformance } from '@holdfast/testkit/lease-registry-conformance'
import { ManualDatabaseClock } from '@holdfast/testkit/lease-registry-fixture'
import { openSqliteLeases } from '@holdfast/testkit/sqlite-leases'
import { LeaseRoleGround } from './lease-role-ground.ts'

/** One SQLite file behind one lease role. */
async function openRole(clock: DatabaseClock) {
  await using opened = new AsyncDisposableStack()
  const { index, registry, close } = await openSqliteLeases(clock)
  opened.defer(close)
  const role = opened.use(await LeaseRoleGround.start({ index, registry }))
  const held = opened.move()
  return { role, index, close: () => held[Symbol.asyncDispose]() }
}

async function openIndex(): Promise<Required<OpenedIndex>> {
  const { role, close } = await openRole(new ManualDatabaseClock())
  return { index: role.openIndex(), reopen: async () => role.openIndex(), close }
}

generationIndexConformance('the index in SQLite behind the lease role', openIndex)
indexHandlesConformance('the index in SQLite behind the lease role', openIndex)
leaseRegistryConformance('the registry in SQLite behind the lease role', async (clock) => {
  const { role, index, close } = await openRole(clock)
  return { registry: role.registry, index, close }
})

test('a role that is gone is unavailable, and one that comes back has lost nothing', async () => {
  const { index, registry, close } = await openSqliteLeases(new ManualDatabaseClock())
  try {
    const first = await LeaseRoleGround.start({ index, registry })
    await using view = first.openIndex()
    await view.createWorkspace({ id: WORKSPACE, org: ORG })
    const lease = await view.acquire(WORKSPACE)
    const commit = commitOn(lease, null)
    await view.append(lease, commit)
    await first[Symbol.asyncDispose]()
    await rejectsWith('index-unavailable', view.append(lease, commit))
    await using second = await LeaseRoleGround.start({ index, registry })
    await using viewed = second.openIndex()
    await viewed.append(lease, commit)
    assert.equal((await viewed.workspace(WORKSPACE)).head, commit.id)
  } finally {
    await close()
  }
})

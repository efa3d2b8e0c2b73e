import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import type { DatabaseClock } from '@holdfast/lease/database-clock'
import { SqliteLeaseRegistry } from '@holdfast/lease/sqlite-lease-registry'
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
import { LeaseRoleGround } from './lease-role-ground.ts'

/** One SQLite file behind one lease role. */
async function openRole(clock: DatabaseClock) {
  await using opened = new AsyncDisposableStack()
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-wire-'))
  opened.defer(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'history.db')
  const index = opened.use(await SqliteGenerationIndex.open({ path }))
  const registry = opened.use(await SqliteLeaseRegistry.open({ path, clock }))
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
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-wire-'))
  try {
    const path = join(directory, 'history.db')
    await using index = await SqliteGenerationIndex.open({ path })
    await using registry = await SqliteLeaseRegistry.open({ path })
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
    rmSync(directory, { recursive: true })
  }
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { rejectsWith } from '@holdfast/testkit/generation-index-fixture'
import { leaseRegistryConformance } from '@holdfast/testkit/lease-registry-conformance'
import { hostId, LEASE_ORG, workspaceId } from '@holdfast/testkit/lease-registry-fixture'
import { openSqliteLeases } from '@holdfast/testkit/sqlite-leases'
import { SqliteLeaseRegistry } from './sqlite-lease-registry.ts'

leaseRegistryConformance('the registry in SQLite', openSqliteLeases)

test('leases outlive their handle, run by the boot clock, and those of a newer version are left alone', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-lease-'))
  const path = join(directory, 'history.db')
  const [workspace, host] = [workspaceId(1), hostId(1)]
  try {
    {
      await using registry = await SqliteLeaseRegistry.open({ path })
      await using index = await SqliteGenerationIndex.open({ path })
      await index.createWorkspace({ id: workspace, org: LEASE_ORG })
      await registry.acquireLease({ workspace, host, ttlMs: 15_000, nonce: 'n', afterEpoch: 0 })
    }
    {
      await using registry = await SqliteLeaseRegistry.open({ path })
      const [state] = (await registry.leaseStates({ workspaces: [workspace] })).states
      assert.ok(state?.host === host && state.remainingMs > 5_000 && state.remainingMs <= 15_000)
    }
    {
      using database = new DatabaseSync(path)
      database.exec("UPDATE meta SET value = '2' WHERE key = 'leases-version'")
    }
    await rejectsWith('version-unknown', SqliteLeaseRegistry.open({ path }))
  } finally {
    rmSync(directory, { recursive: true })
  }
})

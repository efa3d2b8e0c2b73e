import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import type { DatabaseClock } from '@holdfast/lease/database-clock'
import { SqliteLeaseRegistry } from '@holdfast/lease/sqlite-lease-registry'
import type { OpenedRegistry } from './lease-registry-fixture.ts'

/** A history and its leases in one SQLite file of a folder of its own. */
export async function openSqliteLeases(clock: DatabaseClock): Promise<OpenedRegistry> {
  await using opened = new AsyncDisposableStack()
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-lease-'))
  opened.defer(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'history.db')
  const index = opened.use(await SqliteGenerationIndex.open({ path }))
  const registry = opened.use(await SqliteLeaseRegistry.open({ path, clock }))
  const held = opened.move()
  return { index, registry, close: () => held[Symbol.asyncDispose]() }
}

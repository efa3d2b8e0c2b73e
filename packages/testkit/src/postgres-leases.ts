import type { GenerationIndex } from '@holdfast/generations/index/generation-index'
import type { DatabaseClock } from '@holdfast/lease/database-clock'
import { PostgresGenerationIndex } from '@holdfast/lease/postgres-generation-index'
import { PostgresLeaseRegistry } from '@holdfast/lease/postgres-lease-registry'
import type { OpenedRegistry } from './lease-registry-fixture.ts'
import type { PostgresServer } from './postgres-server.ts'

export interface OpenedPostgres extends OpenedRegistry {
  /** Opens the history once more, on connections of its own. */
  reopen(): Promise<GenerationIndex>
  /** As `reopen`, for the leases. */
  reopenLeases(): Promise<OpenedRegistry['registry']>
}

/** A history and its leases in a schema of their own, which goes with the server. */
export async function openPostgresLeases(
  server: PostgresServer,
  clock?: DatabaseClock,
): Promise<OpenedPostgres> {
  await using opened = new AsyncDisposableStack()
  const options = { connection: server.connection, schema: server.newSchema(), connectionsMax: 4 }
  const reopen = () => PostgresGenerationIndex.open(options)
  const reopenLeases = () => PostgresLeaseRegistry.open({ ...options, ...(clock ? { clock } : {}) })
  const index = opened.use(await reopen())
  const registry = opened.use(await reopenLeases())
  const held = opened.move()
  return { index, registry, reopen, reopenLeases, close: () => held[Symbol.asyncDispose]() }
}

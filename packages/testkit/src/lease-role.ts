import { join } from 'node:path'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { startLeaseRole } from '@holdfast/lease/lease-role'
import { SqliteLeaseRegistry } from '@holdfast/lease/sqlite-lease-registry'

export interface LeaseRoleForTest extends AsyncDisposable {
  readonly address: string
  readonly index: SqliteGenerationIndex
  readonly registry: SqliteLeaseRegistry
}

/** The lease role on a database of its own in a folder, on a socket there. */
export async function startLeaseRoleIn(folder: string, clusterKey: string): Promise<LeaseRoleForTest> {
  await using opened = new AsyncDisposableStack()
  const path = join(folder, 'history.db')
  const index = opened.use(await SqliteGenerationIndex.open({ path }))
  const registry = opened.use(await SqliteLeaseRegistry.open({ path }))
  const address = `unix:${join(folder, 'lease.sock')}`
  opened.use(await startLeaseRole({ address, clusterKey, index, registry }))
  const held = opened.move()
  return { address, index, registry, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() }
}

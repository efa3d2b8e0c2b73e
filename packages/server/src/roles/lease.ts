import type { GenerationIndex } from '@holdfast/generations/index/generation-index'
import type { LeaseRegistry } from '@holdfast/lease/lease-registry'
import { startLeaseRole } from '@holdfast/lease/lease-role'
import type { RunningRole } from '../running-role.ts'
import type { SettingsOf } from '../settings.ts'
import { parseDatabaseAddress } from './database-address.ts'
import { defectLog } from './log-defect.ts'
import { readKey } from './read-key.ts'
import type { RoleGround } from './role-ground.ts'

export async function startLease(ground: RoleGround, settings: SettingsOf<'lease'>): Promise<RunningRole> {
  await using stack = new AsyncDisposableStack()
  const { index, registry } = await openDatabase(settings.database, stack)
  const server = stack.use(
    await startLeaseRole({
      address: settings.listen,
      clusterKey: readKey(settings.clusterKeyFile),
      onDefect: defectLog(ground.log),
      index,
      registry,
    }),
  )
  const opened = stack.move()
  return {
    address: server.address,
    publicUrl: null,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Only the database that is used is loaded. */
async function openDatabase(
  text: string,
  stack: AsyncDisposableStack,
): Promise<{ readonly index: GenerationIndex; readonly registry: LeaseRegistry }> {
  const address = parseDatabaseAddress(text)
  switch (address.kind) {
    case 'sqlite': {
      const { SqliteGenerationIndex } = await import('@holdfast/generations/index/sqlite-generation-index')
      const { SqliteLeaseRegistry } = await import('@holdfast/lease/sqlite-lease-registry')
      const index = stack.use(await SqliteGenerationIndex.open({ path: address.path }))
      return { index, registry: stack.use(await SqliteLeaseRegistry.open({ path: address.path })) }
    }
    case 'postgres': {
      const { PostgresGenerationIndex } = await import('@holdfast/lease/postgres-generation-index')
      const { PostgresLeaseRegistry } = await import('@holdfast/lease/postgres-lease-registry')
      const index = stack.use(await PostgresGenerationIndex.open({ connection: address.url }))
      return { index, registry: stack.use(await PostgresLeaseRegistry.open({ connection: address.url })) }
    }
  }
}

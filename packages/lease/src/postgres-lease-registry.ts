import { known, type Operation, one } from '@holdfast/generations/index/sql-operation'
import { integerOf } from '@holdfast/generations/index/sql-rows'
import type { DatabaseClock, DatabaseInstant } from './database-clock.ts'
import { PostgresDatabase, type PostgresOptions } from './postgres-database.ts'
import { SqlLeaseRegistry } from './sql-lease-registry.ts'

/** Renewals are few and short, and never wait for a connection behind commits. */
const CONNECTIONS_MAX = 4
/** A third of a lease: who waits longer asks again, while there is time. */
const STATEMENT_MS = 5_000

export interface PostgresLeaseOptions extends PostgresOptions {
  /** By default the clock of the server, of which there is one. */
  readonly clock?: DatabaseClock
}

/** Leases beside the history in PostgreSQL, on connections of their own. */
export class PostgresLeaseRegistry extends SqlLeaseRegistry {
  /** Rejects as `PostgresDatabase.open` does. */
  static async open(options: PostgresLeaseOptions): Promise<PostgresLeaseRegistry> {
    const { clock, ...rest } = options
    const database = await PostgresDatabase.open({
      connectionsMax: CONNECTIONS_MAX,
      statementMs: STATEMENT_MS,
      ...rest,
    })
    return new PostgresLeaseRegistry(database, clock ? () => known(clock.now()) : readServerClock)
  }
}

/** Not `now()`, which is when the transaction began: it may have waited for a lock since. */
function* readServerClock(): Operation<DatabaseInstant> {
  const row = yield* one('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms')
  return { boot: 'server', ms: integerOf(row ?? {}, 'ms') }
}

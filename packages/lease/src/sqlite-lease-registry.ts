import { readBootId, systemBootClock } from '@holdfast/base/boot-clock'
import { Failure } from '@holdfast/base/failure'
import { known, type Operation, one, run } from '@holdfast/generations/index/sql-operation'
import { SqliteHistory } from '@holdfast/generations/index/sqlite-history'
import type { SqliteHistoryOptions } from '@holdfast/generations/index/sqlite-schema'
import { bootDatabaseClock, type DatabaseClock } from './database-clock.ts'
import { SqlLeaseRegistry } from './sql-lease-registry.ts'

const VERSION = '1'

/** One row for each workspace that ever had a lease; a history without this table gets it when first opened here. */
const TABLE = `
  CREATE TABLE leases (
    workspace TEXT PRIMARY KEY REFERENCES workspaces (id),
    host TEXT,
    epoch INTEGER NOT NULL,
    nonce TEXT,
    given_by TEXT,
    boot TEXT NOT NULL,
    ttl_ms INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`

function* prepare(path: string): Operation<void> {
  const row = yield* one("SELECT value FROM meta WHERE key = 'leases-version'")
  if (row?.value === VERSION) return
  if (row !== undefined)
    throw new Failure('version-unknown', `leases in ${path} have version ${String(row.value)}`, { path })
  yield* run(TABLE)
  yield* run("INSERT INTO meta VALUES ('leases-version', ?)", VERSION)
}

export interface SqliteLeaseOptions extends SqliteHistoryOptions {
  /** By default the boot clock of this machine, which has the file. */
  readonly clock?: DatabaseClock
}

/** Leases in the SQLite file of the history. A resolved write is synced to disk; several processes may have it open. */
export class SqliteLeaseRegistry extends SqlLeaseRegistry {
  /** Opens or creates the file; rejects as `openHistory` does. */
  static async open(options: SqliteLeaseOptions): Promise<SqliteLeaseRegistry> {
    const clock = options.clock ?? bootDatabaseClock(systemBootClock, readBootId())
    const history = new SqliteHistory(options)
    try {
      history.write({ kind: 'statement' }, () => prepare(options.path))
    } catch (error) {
      history.close()
      throw error
    }
    return new SqliteLeaseRegistry(history, () => known(clock.now()))
  }
}

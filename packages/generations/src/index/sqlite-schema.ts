import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { SqliteConnection } from './sqlite-connection.ts'
import { sqliteFailure } from './sqlite-failure.ts'

const FORMAT = 'holdfast-history'
const SCHEMA_VERSION = 1

/**
 * `packs` keeps a row for every name that was ever committed, so that names never come back. `index_deltas` holds the
 * packs whose chunks no base object covers, per workspace in commit order.
 */
const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE orgs (
    id TEXT PRIMARY KEY,
    gc_clock INTEGER NOT NULL,
    gc_boundary INTEGER NOT NULL CHECK (gc_boundary <= gc_clock)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL REFERENCES orgs (id),
    epoch INTEGER NOT NULL,
    head TEXT REFERENCES generations (id),
    forked_from TEXT REFERENCES generations (id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX workspaces_by_org ON workspaces (org, id);
  CREATE INDEX workspaces_by_fork_point ON workspaces (forked_from) WHERE head IS NULL;
  CREATE TABLE generations (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspaces (id),
    sequence INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    parent TEXT REFERENCES generations (id),
    record_pack TEXT NOT NULL REFERENCES packs (name),
    root TEXT NOT NULL,
    cause TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    consistency TEXT NOT NULL,
    verified_at INTEGER,
    retained INTEGER NOT NULL CHECK (retained IN (0, 1)),
    UNIQUE (workspace, sequence)
  ) STRICT;
  CREATE INDEX generations_retained ON generations (workspace, sequence) WHERE retained = 1;
  CREATE TABLE packs (
    name TEXT PRIMARY KEY,
    org TEXT NOT NULL REFERENCES orgs (id),
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'condemned', 'deleted')),
    condemned_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX packs_by_state ON packs (org, state, name);
  CREATE TABLE index_bases (
    workspace TEXT NOT NULL REFERENCES workspaces (id),
    position INTEGER NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (workspace, position)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE index_deltas (
    workspace TEXT NOT NULL REFERENCES workspaces (id),
    position INTEGER NOT NULL,
    pack TEXT NOT NULL REFERENCES packs (name),
    PRIMARY KEY (workspace, position),
    UNIQUE (pack, workspace)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('format', '${FORMAT}'), ('version', '${SCHEMA_VERSION}');
`

export interface SqliteHistoryOptions {
  /** The database file; `-wal` and `-shm` files stand beside it. Never on a network filesystem. */
  readonly path: string
  /** How long a call waits for other processes; the event loop waits with it. */
  readonly busyTimeoutMs?: number
  /** Rejects with `not-found` where a missing or empty file would become a new history. */
  readonly mustExist?: boolean
}

/** Forty commits of a slow disk; a writer that waits longer is told to try again. */
const BUSY_TIMEOUT_MS = 5_000

/** True when there is nothing in the file yet. Throws for a database that is not a history this code can read. */
function isEmpty(connection: SqliteConnection, path: string): boolean {
  const tables = connection.all("SELECT name FROM sqlite_schema WHERE type = 'table'")
  if (tables.length === 0) return true
  const foreign = new Failure('foreign-format', `not a Holdfast history: ${path}`, { path })
  if (!tables.some((row) => row.name === 'meta')) throw foreign
  const columns = connection.all("SELECT name FROM pragma_table_info('meta')").map((row) => row.name)
  if (!columns.includes('key') || !columns.includes('value')) throw foreign
  const meta = new Map(connection.all('SELECT key, value FROM meta').map((row) => [row.key, row.value]))
  if (meta.get('format') !== FORMAT) throw foreign
  checkVersion(Number(meta.get('version') ?? Number.NaN), path)
  return false
}

function checkVersion(version: number, path: string): void {
  if (version === SCHEMA_VERSION) return
  if (Number.isSafeInteger(version) && version > SCHEMA_VERSION)
    throw new Failure('version-unknown', `history ${path} has version ${version}`, { path, version })
  throw new Failure('history-corrupt', `history ${path} has no valid version`, { path })
}

function isMissing(path: string): boolean {
  try {
    return statSync(path).size === 0
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true
    throw new Failure('no-permission', `cannot look at ${path}`, { path }, error)
  }
}

/** Nothing is changed in a file before it is known to be a history, or to be empty. */
function prepare(database: DatabaseSync, connection: SqliteConnection, path: string): void {
  const empty = isEmpty(connection, path)
  // FULL: a commit returns after the sync of the WAL, so what was acknowledged survives power loss.
  database.exec('PRAGMA synchronous = FULL')
  const mode = connection.one('PRAGMA journal_mode = WAL')?.journal_mode
  if (mode !== 'wal')
    throw new Failure('unsupported-here', `no write-ahead log at ${path}`, { path, mode: String(mode) })
  if (!empty) return
  connection.transact('IMMEDIATE', () => {
    if (isEmpty(connection, path)) database.exec(SCHEMA)
  })
}

/**
 * Opens a history, or creates it. Several processes may do so at once. Rejects with `foreign-format` for another
 * database, `version-unknown` for a newer history, `history-corrupt`, `no-permission`, `volume-full`, `not-found` or
 * `index-unavailable`.
 */
export function openHistory(options: SqliteHistoryOptions): SqliteConnection {
  const { path, busyTimeoutMs = BUSY_TIMEOUT_MS, mustExist = false } = options
  if (mustExist && isMissing(path)) throw new Failure('not-found', `no history at ${path}`, { path })
  try {
    const database = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true })
    const connection = new SqliteConnection(database)
    try {
      prepare(database, connection, path)
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  } catch (error) {
    throw sqliteFailure(error, path)
  }
}

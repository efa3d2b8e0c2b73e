import { Failure } from '@holdfast/base/failure'
import { type Operation, one, run } from '@holdfast/generations/index/sql-operation'

const FORMAT = 'holdfast-history'
const VERSION = 1

/**
 * The tables of the history, as `sqlite-schema.ts` explains them, with the leases. Names are compared byte by byte, as
 * every adapter does it, whatever the locale of the database.
 */
const TABLES: readonly string[] = [
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)`,
  `CREATE TABLE orgs (
    id TEXT COLLATE "C" PRIMARY KEY,
    gc_clock BIGINT NOT NULL,
    gc_boundary BIGINT NOT NULL CHECK (gc_boundary <= gc_clock)
  )`,
  `CREATE TABLE workspaces (
    id TEXT COLLATE "C" PRIMARY KEY,
    org TEXT COLLATE "C" NOT NULL REFERENCES orgs (id),
    epoch BIGINT NOT NULL,
    head TEXT COLLATE "C",
    forked_from TEXT COLLATE "C"
  )`,
  `CREATE INDEX workspaces_by_org ON workspaces (org, id)`,
  `CREATE INDEX workspaces_by_fork_point ON workspaces (forked_from) WHERE head IS NULL`,
  `CREATE TABLE packs (
    name TEXT COLLATE "C" PRIMARY KEY,
    org TEXT COLLATE "C" NOT NULL REFERENCES orgs (id),
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'condemned', 'deleted')),
    condemned_at BIGINT
  )`,
  `CREATE INDEX packs_by_state ON packs (org, state, name)`,
  `CREATE TABLE generations (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    sequence BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    parent TEXT COLLATE "C" REFERENCES generations (id),
    record_pack TEXT COLLATE "C" NOT NULL REFERENCES packs (name),
    root TEXT NOT NULL,
    cause TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    consistency TEXT NOT NULL,
    verified_at BIGINT,
    retained INTEGER NOT NULL CHECK (retained IN (0, 1)),
    UNIQUE (workspace, sequence)
  )`,
  `CREATE INDEX generations_retained ON generations (workspace, sequence) WHERE retained = 1`,
  `ALTER TABLE workspaces ADD FOREIGN KEY (head) REFERENCES generations (id)`,
  `ALTER TABLE workspaces ADD FOREIGN KEY (forked_from) REFERENCES generations (id)`,
  `CREATE TABLE index_bases (
    workspace TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    position BIGINT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (workspace, position)
  )`,
  `CREATE TABLE index_deltas (
    workspace TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    position BIGINT NOT NULL,
    pack TEXT COLLATE "C" NOT NULL REFERENCES packs (name),
    PRIMARY KEY (workspace, position),
    UNIQUE (pack, workspace)
  )`,
  `CREATE TABLE leases (
    workspace TEXT COLLATE "C" PRIMARY KEY REFERENCES workspaces (id),
    host TEXT,
    epoch BIGINT NOT NULL,
    nonce TEXT,
    given_by TEXT,
    boot TEXT NOT NULL,
    ttl_ms BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
  )`,
  `INSERT INTO meta VALUES ('format', '${FORMAT}'), ('version', '${VERSION}')`,
]

/** Held while tables are made, so that replicas that start together make them once: `hold` in ASCII. */
const SCHEMA_LOCK = 0x686f6c64

/** Makes the tables in `schema` unless they are there. Throws `version-unknown` and `foreign-format`. */
export function* prepareSchema(schema: string): Operation<void> {
  yield* run(`SELECT pg_advisory_xact_lock(${SCHEMA_LOCK})`)
  if ((yield* one('SELECT 1 FROM pg_tables WHERE schemaname = ?', schema)) === undefined) {
    yield* run(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
    for (const table of TABLES) yield* run(table)
    return
  }
  const meta = yield* one("SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = 'meta'", schema)
  const format = meta && (yield* one("SELECT value FROM meta WHERE key = 'format'"))
  if (format?.value !== FORMAT) throw new Failure('foreign-format', `schema ${schema} has other tables`)
  const version = Number((yield* one("SELECT value FROM meta WHERE key = 'version'"))?.value)
  if (version === VERSION) return
  if (Number.isSafeInteger(version) && version > VERSION)
    throw new Failure('version-unknown', `the history in ${schema} has version ${version}`, { version })
  throw new Failure('history-corrupt', `the history in ${schema} has no valid version`)
}

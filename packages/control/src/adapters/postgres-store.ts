import { Failure, isFailure } from '@holdfast/base/failure'
import { Kysely, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import type { Changes, Committed, Reads, Store } from '../ports/store.ts'
import { CommitListeners } from './commit-listeners.ts'
import { guardedReads } from './guarded-reads.ts'
import { KeptQueries } from './kept-queries.ts'
import { migrate } from './migrations.ts'
import { AllRows } from './rows/all-rows.ts'
import { Session, type SessionOptions } from './rows/session.ts'
import type { Database, Tables } from './tables.ts'

export interface PostgresStoreOptions {
  /** A `postgres://` address, or its parts. */
  readonly connection: string | { readonly host: string; readonly user: string; readonly database: string }
  /** Holds the tables; made when it is not there. */
  readonly schema?: string
  readonly connectionsMax?: number
}

const SCHEMA = 'holdfast_control'
const CONNECTIONS_MAX = 10
const CONNECT_MS_MAX = 5_000
const STATEMENT_MS_MAX = 10_000
const ATTEMPTS_MAX = 10
const INT8 = 20
/** Any number that nothing else in the database locks: replicas that start together migrate one after the other. */
const MIGRATION_LOCK = 4_620_693
/** Deadlock, serialisation failure: somebody else's transaction went first, and this one may be run again. */
const CONFLICTS: ReadonlySet<string> = new Set(['40P01', '40001'])

/**
 * Tables in PostgreSQL, which several replicas may use. A record is locked by reading it to change it; events are
 * numbered last, under the sequencer's row, so that their numbers become visible in order.
 */
export class PostgresStore implements Store {
  readonly read: Reads
  readonly #database: Database
  readonly #queries = new KeptQueries()
  readonly #listeners = new CommitListeners()

  private constructor(database: Database) {
    this.#database = database
    const session = sessionOn(database, { locksRows: false, queries: new KeptQueries() })
    this.read = guardedReads(new AllRows(database, session), storeFailure)
  }

  /** Rejects with `index-unavailable` when the server does not answer, and with `version-unknown`. */
  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    const { schema = SCHEMA } = options
    if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
      throw new Failure('invalid-argument', `not the name of a schema: ${schema}`, { schema })
    const database = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: poolOf(options, schema) }) })
    try {
      await database.transaction().execute(async (transaction) => {
        await sql`SELECT pg_advisory_xact_lock(${sql.lit(MIGRATION_LOCK)})`.execute(transaction)
        await transaction.schema.createSchema(schema).ifNotExists().execute()
        await migrate(transaction)
      })
    } catch (error) {
      await database.destroy()
      throw storeFailure(error)
    }
    return new PostgresStore(database)
  }

  async write<T>(change: (changes: Changes) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#transaction(change)
      } catch (error) {
        if (attempt < ATTEMPTS_MAX && CONFLICTS.has(codeOf(error))) continue
        throw storeFailure(error)
      }
    }
  }

  onCommitted(listener: (committed: Committed) => void): () => void {
    return this.#listeners.add(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database.destroy()
  }

  async #transaction<T>(change: (changes: Changes) => Promise<T>): Promise<T> {
    const { value, hasEvents, workspaces } = await this.#database
      .transaction()
      .execute(async (transaction) => {
        // What resolves survives a crash, also where the database is told otherwise for others.
        await sql`SET LOCAL synchronous_commit = on`.execute(transaction)
        const session = sessionOn(transaction, { locksRows: true, queries: this.#queries })
        const rows = new AllRows(transaction, session)
        const changed = await change(rows)
        await rows.events.append(rows.emitted)
        return { value: changed, hasEvents: rows.emitted.length > 0, workspaces: session.workspaces }
      })
    this.#listeners.tell({ workspaces, hasEvents })
    return value
  }
}

function sessionOn(database: Database, options: Omit<SessionOptions, 'run'>): Session {
  return new Session({ ...options, run: async (query) => (await database.executeQuery(query)).rows })
}

function poolOf(options: PostgresStoreOptions, schema: string): pg.Pool {
  const { connection, connectionsMax = CONNECTIONS_MAX } = options
  const pool = new pg.Pool({
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    max: connectionsMax,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    statement_timeout: STATEMENT_MS_MAX,
    options: `-c search_path=${schema}`,
    types: {
      // Counts and instants: all below 2 ** 53.
      getTypeParser: (oid, format) => (oid === INT8 ? Number : pg.types.getTypeParser(oid, format)),
    },
  })
  // A connection that breaks while nobody uses it is replaced when somebody does; in a transaction its next query says so.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function storeFailure(error: unknown): unknown {
  if (isFailure(error) || !(error instanceof Error)) return error
  // A defect of ours is no failure of the database.
  const isOfDatabase =
    'severity' in error || 'code' in error || /timeout|terminated|connect/i.test(error.message)
  return isOfDatabase ? new Failure('index-unavailable', error.message, {}, error) : error
}

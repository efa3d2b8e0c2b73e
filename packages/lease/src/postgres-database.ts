import { Failure } from '@holdfast/base/failure'
import type { SqlDatabase, WriteScope } from '@holdfast/generations/index/sql-database'
import {
  IS_LISTED,
  type Operation,
  type SqlRow,
  type SqlValue,
  type Statement,
} from '@holdfast/generations/index/sql-operation'
import pg from 'pg'
import { isConflict, isUnanswered, postgresFailure } from './postgres-failure.ts'
import { prepareSchema } from './postgres-schema.ts'
import { fromStored, toStored } from './postgres-text.ts'

export interface PostgresOptions {
  /** A `postgres://` address, or its parts. */
  readonly connection: string | { readonly host: string; readonly user: string; readonly database: string }
  /** Holds these tables and no others; made when it is not there. */
  readonly schema?: string
  readonly connectionsMax?: number
  /** A statement that takes longer is given up, with its connection. */
  readonly statementMs?: number
}

const SCHEMA = 'holdfast_history'
const CONNECTIONS_MAX = 8
const STATEMENT_MS = 10_000
const CONNECT_MS_MAX = 5_000
const ATTEMPTS_MAX = 10
const INT8 = 20

/** Locks what was read stays right under: READ COMMITTED sees in each statement what others committed before it. */
const LOCKS: { readonly [Kind in WriteScope['kind']]: readonly string[] } = {
  workspace: [
    `SELECT 1 FROM workspaces w JOIN orgs o ON o.id = w.org WHERE w.id = ? FOR NO KEY UPDATE OF w FOR SHARE OF o`,
  ],
  org: ['SELECT 1 FROM orgs WHERE id = ? FOR NO KEY UPDATE'],
  generations: [
    `SELECT 1 FROM orgs WHERE id IN (SELECT w.org FROM generations g JOIN workspaces w ON w.id = g.workspace
       WHERE g.id ${IS_LISTED}) ORDER BY id FOR NO KEY UPDATE`,
  ],
  lease: [
    'SELECT 1 FROM workspaces WHERE id = ? FOR NO KEY UPDATE',
    'SELECT 1 FROM leases WHERE workspace = ? FOR NO KEY UPDATE',
  ],
  leases: [`SELECT 1 FROM leases WHERE workspace ${IS_LISTED} ORDER BY workspace FOR NO KEY UPDATE`],
  statement: [],
}

const BEGIN = {
  // One view for all statements, and nothing to roll back.
  read: 'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY',
  // A resolved write survives a crash, also where the database is told otherwise for others.
  write: 'BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = on',
} as const

/**
 * A history in PostgreSQL. Several processes may use it at once: rows that a write decides on are locked until it
 * ends, and a transaction that met another one is begun anew. What is resolved is durable there.
 */
export class PostgresDatabase implements SqlDatabase {
  readonly #pool: pg.Pool
  #closing: Promise<void> | undefined

  private constructor(pool: pg.Pool) {
    this.#pool = pool
    // A connection that breaks while nobody uses it is replaced when somebody does; one in use says so to its user.
    pool.on('error', () => undefined)
    pool.on('connect', (client) => client.on('error', () => undefined))
  }

  /** Makes the tables when they are not there. Rejects with `version-unknown`, `foreign-format`, `no-permission`. */
  static async open(options: PostgresOptions): Promise<PostgresDatabase> {
    const { connection, schema = SCHEMA, statementMs = STATEMENT_MS } = options
    if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
      throw new Failure('invalid-argument', `not the name of a schema: ${schema}`, { schema })
    const pool = new pg.Pool({
      ...(typeof connection === 'string' ? { connectionString: connection } : connection),
      max: options.connectionsMax ?? CONNECTIONS_MAX,
      connectionTimeoutMillis: CONNECT_MS_MAX,
      query_timeout: statementMs + 1_000,
      // A role that stands still in the middle of a write lets go of its locks.
      options: `-c search_path=${schema} -c statement_timeout=${statementMs} -c idle_in_transaction_session_timeout=${statementMs}`,
      keepAlive: true,
      types: { getTypeParser },
    })
    const database = new PostgresDatabase(pool)
    try {
      await database.write({ kind: 'statement' }, () => prepareSchema(schema))
      return database
    } catch (error) {
      await database.close()
      throw error
    }
  }

  read<T>(operation: () => Operation<T>): Promise<T> {
    return this.#transact('read', operation)
  }

  write<T>(scope: WriteScope, operation: () => Operation<T>): Promise<T> {
    return this.#transact('write', () => locked(scope, operation))
  }

  async close(): Promise<void> {
    this.#closing ??= this.#pool.end()
    await this.#closing
  }

  async #transact<T>(mode: keyof typeof BEGIN, operation: () => Operation<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.#connect()
      try {
        const result = await perform(client, BEGIN[mode], operation())
        client.release()
        return result
      } catch (error) {
        // A connection that broke, or still owes an answer, is not used again, nor waited for.
        client.release(isUnanswered(error) || !(await hasRolledBack(client)))
        if (!(error instanceof Failure) || !isConflict(error)) throw error
        if (attempt === ATTEMPTS_MAX) throw unavailable(error.message, error)
      }
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    if (this.#closing !== undefined) throw unavailable('it is closed')
    try {
      return await this.#pool.connect()
    } catch (error) {
      throw postgresFailure(error)
    }
  }
}

function unavailable(reason: string, cause?: unknown): Failure {
  return new Failure('index-unavailable', `history: ${reason}`, {}, cause)
}

function* locked<T>(scope: WriteScope, operation: () => Operation<T>): Operation<T> {
  for (const sql of LOCKS[scope.kind]) yield { sql, values: [namedIn(scope)] }
  return yield* operation()
}

function namedIn(scope: WriteScope): SqlValue {
  switch (scope.kind) {
    case 'workspace':
    case 'org':
      return scope.id
    case 'generations':
      return scope.ids
    case 'lease':
      return scope.workspace
    case 'leases':
      return scope.workspaces
    case 'statement':
      return null
  }
}

async function perform<T>(client: pg.PoolClient, begin: string, operation: Operation<T>): Promise<T> {
  await query(client, { sql: begin, values: [] })
  let step = operation.next()
  while (!step.done) step = operation.next(await query(client, step.value))
  await query(client, { sql: 'COMMIT', values: [] })
  return step.value
}

async function query(client: pg.PoolClient, { sql, values }: Statement): Promise<readonly SqlRow[]> {
  try {
    const text = translate(sql)
    // Without values it is sent as one message, which may hold several statements.
    const result =
      values.length === 0 ? await client.query(text) : await client.query(text, values.map(stored))
    return (result.rows ?? []).map(restored)
  } catch (error) {
    throw postgresFailure(error)
  }
}

async function hasRolledBack(client: pg.PoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK')
    return true
  } catch {
    return false
  }
}

/** Postgres numbers its parameters, and compares with a list in other words. */
function translate(sql: string): string {
  let parameters = 0
  return sql.replaceAll(IS_LISTED, '= ANY(?::text[])').replace(/\?/g, () => `$${++parameters}`)
}

function stored(value: SqlValue): unknown {
  if (typeof value === 'string') return toStored(value)
  return typeof value === 'object' && value !== null ? value.map(toStored) : value
}

function restored(row: Record<string, unknown>): SqlRow {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'string' ? fromStored(value) : value]),
  )
}

/** BIGINT as a number: what this code writes fits, and a row that does not is refused where it is parsed. */
function getTypeParser(oid: number, format?: 'text' | 'binary') {
  return oid === INT8
    ? Number
    : format === 'binary'
      ? pg.types.getTypeParser(oid, format)
      : pg.types.getTypeParser(oid)
}

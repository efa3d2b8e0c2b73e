import { DatabaseSync } from 'node:sqlite'
import { Failure, isFailure } from '@holdfast/base/failure'
import { Kysely, SqliteDialect } from 'kysely'
import type { NewEvent } from '../domain/event.ts'
import type { Changes, Committed, Reads, Store } from '../ports/store.ts'
import { CommitListeners } from './commit-listeners.ts'
import { guardedReads } from './guarded-reads.ts'
import { KeptQueries } from './kept-queries.ts'
import { migrate } from './migrations.ts'
import { AllRows } from './rows/all-rows.ts'
import { Session, type SessionOptions } from './rows/session.ts'
import { SqliteStatements } from './sqlite-statements.ts'
import type { Database, Tables } from './tables.ts'

/** So many transactions share one commit at most: about 20 ms of work. */
const GROUP_MAX = 128
const BUSY_MS_MAX = 5_000

interface Waiting {
  readonly change: (changes: Changes) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** What became of one member of a group, told once the group is durable. */
type Settle = () => void

/**
 * A database file with a WAL. A commit is synced to the disk (`synchronous = FULL`, 1 to 2 ms), and all transactions
 * that arrive in the same turn of the event loop share one: each in a savepoint of its own, so that one that fails takes
 * nobody along. Reads go over a second connection, which sees only what is committed.
 */
export class SqliteStore implements Store {
  readonly read: Reads
  readonly #writing: DatabaseSync
  readonly #reading: DatabaseSync
  readonly #database: Database
  readonly #statements: SqliteStatements
  readonly #sessions: SessionOptions
  readonly #listeners = new CommitListeners()
  #waiting: Waiting[] = []
  #isScheduled = false
  #isClosed = false
  #running: Promise<void> = Promise.resolve()

  private constructor(path: string) {
    this.#writing = open(path)
    this.#statements = new SqliteStatements(this.#writing)
    this.#database = kysely(this.#statements)
    this.#sessions = sessionsOn(this.#statements)
    this.#reading = open(path)
    const statements = new SqliteStatements(this.#reading)
    const rows = new AllRows(kysely(statements), new Session(sessionsOn(statements)))
    this.read = guardedReads(rows, asFailure)
  }

  /** Opens or makes the file and brings it to the present version. */
  static async open(path: string): Promise<SqliteStore> {
    const store = new SqliteStore(path)
    store.#writing.exec('BEGIN IMMEDIATE')
    await migrate(store.#database)
    store.#writing.exec('COMMIT')
    return store
  }

  write<T>(change: (changes: Changes) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isClosed) {
        reject(new Failure('index-unavailable', 'the database is closed'))
        return
      }
      this.#waiting.push({ change, resolve: (value) => resolve(value as T), reject })
      this.#schedule()
    })
  }

  onCommitted(listener: (committed: Committed) => void): () => void {
    return this.#listeners.add(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    while (this.#isScheduled) await new Promise((resolve) => setImmediate(resolve))
    await this.#running
    this.#reading.close()
    this.#writing.close()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#running = this.#commitGroup().finally(() => {
        this.#isScheduled = false
        if (this.#waiting.length > 0) this.#schedule()
      })
    })
  }

  async #commitGroup(): Promise<void> {
    const group = this.#waiting.splice(0, GROUP_MAX)
    const settles: Settle[] = []
    const events: NewEvent[] = []
    const workspaces = new Set<string>()
    try {
      this.#statements.run('BEGIN IMMEDIATE')
      for (const member of group) settles.push(await this.#apply(member, events, workspaces))
      await new AllRows(this.#database, new Session(this.#sessions)).events.append(events)
      this.#statements.run('COMMIT')
    } catch (error) {
      if (this.#writing.isTransaction) this.#writing.exec('ROLLBACK')
      const failure = new Failure('index-unavailable', 'the database refused a commit', {}, error)
      for (const { reject } of group) reject(failure)
      return
    }
    this.#listeners.tell({ workspaces, hasEvents: events.length > 0 })
    for (const settle of settles) settle()
  }

  async #apply(member: Waiting, events: NewEvent[], workspaces: Set<string>): Promise<Settle> {
    const session = new Session(this.#sessions)
    const rows = new AllRows(this.#database, session)
    this.#statements.run('SAVEPOINT member')
    try {
      const value = await member.change(rows)
      this.#statements.run('RELEASE member')
      events.push(...rows.emitted)
      for (const id of session.workspaces) workspaces.add(id)
      return () => member.resolve(value)
    } catch (error) {
      this.#statements.run('ROLLBACK TO member')
      this.#statements.run('RELEASE member')
      return () => member.reject(isFailure(error) ? error : asFailure(error))
    }
  }
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MS_MAX })
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
  return database
}

function kysely(statements: SqliteStatements): Database {
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: statements.asDatabase() }) })
}

function sessionsOn(statements: SqliteStatements): SessionOptions {
  return {
    locksRows: false,
    queries: new KeptQueries(),
    run: async ({ sql, parameters }) => statements.run(sql, parameters),
  }
}

function asFailure(error: unknown): unknown {
  const isOfSqlite = error instanceof Error && 'errcode' in error
  return isOfSqlite ? new Failure('index-unavailable', error.message, {}, error) : error
}

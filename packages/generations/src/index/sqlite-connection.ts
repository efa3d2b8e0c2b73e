import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Operation, SqlValue } from './sql-operation.ts'

export type SqliteRow = Readonly<Record<string, SQLOutputValue>>

/** One open database with its prepared statements; each SQL text of this folder is prepared once. */
export class SqliteConnection {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  one(sql: string, ...values: SQLInputValue[]): SqliteRow | undefined {
    return this.#prepared(sql).get(...values)
  }

  all(sql: string, ...values: SQLInputValue[]): readonly SqliteRow[] {
    return this.#prepared(sql).all(...values)
  }

  run(sql: string, ...values: SQLInputValue[]): void {
    this.#prepared(sql).run(...values)
  }

  /** Carries an operation out, statement by statement. */
  perform<T>(operation: Operation<T>): T {
    let step = operation.next()
    while (!step.done) step = operation.next(this.all(step.value.sql, ...step.value.values.map(bound)))
    return step.value
  }

  /**
   * Runs `work` in one transaction. IMMEDIATE takes the write lock first, so that what `work` reads is still so when
   * it writes; DEFERRED gives it one view of the database.
   */
  transact<T>(mode: 'IMMEDIATE' | 'DEFERRED', work: () => T): T {
    this.run(mode === 'IMMEDIATE' ? 'BEGIN IMMEDIATE' : 'BEGIN DEFERRED')
    try {
      const result = work()
      this.run('COMMIT')
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.run('ROLLBACK')
      throw error
    }
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

/** A list is one value, which SQLite reads as JSON. */
function bound(value: SqlValue): SQLInputValue {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value
}

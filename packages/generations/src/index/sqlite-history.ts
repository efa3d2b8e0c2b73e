import { Failure } from '@holdfast/base/failure'
import type { SqlDatabase, WriteScope } from './sql-database.ts'
import type { Operation } from './sql-operation.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import { spoilsConnection, sqliteFailure } from './sqlite-failure.ts'
import { openHistory, type SqliteHistoryOptions } from './sqlite-schema.ts'

/**
 * One SQLite file that several processes may have open. Each call is one transaction and runs to its end before it
 * returns, so calls of one process never wait for each other. After a failed read, write or sync the connection is
 * closed and the next call opens the file anew.
 */
export class SqliteHistory implements SqlDatabase {
  readonly #options: SqliteHistoryOptions
  #connection: SqliteConnection | undefined
  #closed = false

  /** Opens or creates the file; throws as `openHistory` does. */
  constructor(options: SqliteHistoryOptions) {
    this.#connection = openHistory(options)
    this.#options = { ...options, mustExist: true }
  }

  read<T>(operation: () => Operation<T>): T {
    return this.#transact('DEFERRED', operation)
  }

  /** Nobody else writes anything meanwhile, whatever the scope; what returns is synced to disk. */
  write<T>(_scope: WriteScope, operation: () => Operation<T>): T {
    return this.#transact('IMMEDIATE', operation)
  }

  close(): void {
    this.#closed = true
    const connection = this.#connection
    this.#connection = undefined
    connection?.close()
  }

  #transact<T>(mode: 'IMMEDIATE' | 'DEFERRED', operation: () => Operation<T>): T {
    const { path } = this.#options
    if (this.#closed) throw new Failure('index-unavailable', `history ${path} is closed`, { path })
    const connection = this.#connection ?? openHistory(this.#options)
    this.#connection = connection
    try {
      return connection.transact(mode, () => connection.perform(operation()))
    } catch (error) {
      if (spoilsConnection(error)) {
        this.#connection = undefined
        connection.close()
      }
      throw sqliteFailure(error, path)
    }
  }
}

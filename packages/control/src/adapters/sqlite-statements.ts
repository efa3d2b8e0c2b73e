import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { SqliteDatabase } from 'kysely'

const STATEMENTS_MAX = 512

interface Kept {
  readonly prepared: StatementSync
  /** It answers with rows. */
  readonly reader: boolean
}

/** The statements of one connection, kept compiled. */
export class SqliteStatements {
  readonly #database: DatabaseSync
  readonly #kept = new Map<string, Kept>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Runs a statement to its end; the rows that it answers with are as its columns are. */
  run<Row>(sql: string, parameters: readonly unknown[] = []): readonly Row[] {
    const rows: readonly unknown[] = this.#statement(sql).prepared.all(...values(parameters))
    return rows as readonly Row[]
  }

  /** The shape that Kysely's dialect asks for. */
  asDatabase(): SqliteDatabase {
    return {
      close: () => this.#database.close(),
      prepare: (sql) => {
        const { prepared, reader } = this.#statement(sql)
        return {
          reader,
          all: (parameters) => prepared.all(...values(parameters)),
          run: (parameters) => prepared.run(...values(parameters)),
          iterate: (parameters) => prepared.iterate(...values(parameters)),
        }
      },
    }
  }

  #statement(sql: string): Kept {
    const known = this.#kept.get(sql)
    if (known) return known
    if (this.#kept.size >= STATEMENTS_MAX) this.#kept.clear()
    const prepared = this.#database.prepare(sql)
    const fresh = { prepared, reader: prepared.columns().length > 0 }
    this.#kept.set(sql, fresh)
    return fresh
  }
}

/** Kysely hands on what the tables' types allow: texts, numbers, null. */
function values(parameters: readonly unknown[]): SQLInputValue[] {
  return parameters as SQLInputValue[]
}

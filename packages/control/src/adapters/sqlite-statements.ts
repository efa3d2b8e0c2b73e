import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { SqliteDatabase } from 'kysely'

const STATEMENTS_MAX = 512

interface Kept {
  readonly prepared: StatementSync
  /** It answers with rows. */
  readonly reader: boolean
}

/** node:sqlite in the shape that Kysely's dialect asks for, with the statements kept compiled. */
export function keptStatements(database: DatabaseSync): SqliteDatabase {
  const kept = new Map<string, Kept>()
  function statement(sql: string): Kept {
    const known = kept.get(sql)
    if (known) return known
    if (kept.size >= STATEMENTS_MAX) kept.clear()
    const prepared = database.prepare(sql)
    const fresh = { prepared, reader: prepared.columns().length > 0 }
    kept.set(sql, fresh)
    return fresh
  }
  return {
    close: () => database.close(),
    prepare: (sql) => {
      const { prepared, reader } = statement(sql)
      return {
        reader,
        all: (parameters) => prepared.all(...values(parameters)),
        run: (parameters) => prepared.run(...values(parameters)),
        iterate: (parameters) => prepared.iterate(...values(parameters)),
      }
    },
  }
}

/** Kysely hands on what the tables' types allow: texts, numbers, null. */
function values(parameters: readonly unknown[]): SQLInputValue[] {
  return parameters as SQLInputValue[]
}

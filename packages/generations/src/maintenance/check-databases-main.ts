import { readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type ByteString, toText } from '../format/byte-string.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import type { CheckedDatabase } from './check-databases.ts'

/*
 * A process that opens restored databases: `check-databases-main.ts DIRECTORY`, with the list of their paths as JSON on
 * its standard input, answers with a JSON list of CheckedDatabase. Apart from its caller, since a damaged database may
 * take down whoever opens it, and since it may run where the directory is mounted elsewhere.
 */
const PROBLEMS_TOLD_MAX = 3

/** An index, table or function that only the application's own SQLite knows: nothing is wrong with the bytes. */
const FOREIGN = /no such (collation sequence|module|function|tokenizer)/

function check(source: SourceDirectory, path: ByteString): CheckedDatabase {
  const notes: string[] = []
  const told = { path: toText(path), notes, tables: 0, rows: 0 }
  try {
    using database = new DatabaseSync(source.resolve(path), { enableForeignKeyConstraints: false })
    database.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON')
    const problem = attempt(notes, () => integrityProblem(database))
    const dangling = attempt(notes, () => danglingKeys(database))
    if (dangling !== undefined) notes.push(dangling)
    const counted = attempt(notes, () => countRows(database))
    return { ...told, ...counted, ...(problem === undefined ? {} : { problem }) }
  } catch (error) {
    return { ...told, problem: wordsOf(error) }
  }
}

function attempt<T>(notes: string[], ask: () => T): T | undefined {
  try {
    return ask()
  } catch (error) {
    if (!FOREIGN.test(wordsOf(error))) throw error
    notes.push(wordsOf(error))
    return undefined
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function integrityProblem(database: DatabaseSync): string | undefined {
  const rows = database.prepare(`PRAGMA integrity_check(${PROBLEMS_TOLD_MAX})`).all()
  const said = rows.map((row) => String(row.integrity_check))
  return said.length === 1 && said[0] === 'ok' ? undefined : `integrity_check: ${said.join('; ')}`
}

/** SQLite enforces foreign keys only where an application asks for it, so dangling ones are its own affair. */
function danglingKeys(database: DatabaseSync): string | undefined {
  const row = database.prepare('SELECT count(*) AS keys FROM pragma_foreign_key_check').get()
  const keys = Number(row?.keys ?? 0)
  return keys === 0 ? undefined : `foreign_key_check: ${keys} rows refer to rows that are not there`
}

/** Virtual tables are left out: what stands behind them may not be here. */
function countRows(database: DatabaseSync): { tables: number; rows: number } {
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
    .all()
  let rows = 0
  for (const { name } of tables) {
    const quoted = `"${String(name).replaceAll('"', '""')}"`
    rows += Number(database.prepare(`SELECT count(*) AS rows FROM ${quoted}`).get()?.rows ?? 0)
  }
  return { tables: tables.length, rows }
}

const [directory = ''] = process.argv.slice(2)
const paths = JSON.parse(readFileSync(0, 'utf8')) as readonly ByteString[]
using source = new SourceDirectory(directory)
writeFileSync(1, JSON.stringify(paths.map((path) => check(source, path))))

import { readFileSync, writeSync } from 'node:fs'
import { constants, DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import type { DatabaseLine, DatabaseRequest } from './query-messages.ts'
import { cellOf } from './sqlite-cell.ts'

/*
 * A process that opens one database of a generation: a DatabaseRequest on its standard input, DatabaseLines on its
 * standard output. Whoever wrote the database and the query may mean harm, so it runs with bounds, without rights, and
 * apart from everything else; it imports nothing from outside its directory, which is all that it sees of the program.
 */
const TABLES_MAX = 1000
const VALUE_BYTES_MAX = 64 << 20
const SQL_BYTES_MAX = 1 << 20

const ALLOWED: ReadonlySet<number> = new Set([
  constants.SQLITE_SELECT,
  constants.SQLITE_READ,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
])
/** Those that only tell, whatever their argument is. `data_version` is what full-text search asks for. */
const TOLD_PRAGMAS: ReadonlySet<string> = new Set([
  'data_version',
  'foreign_key_list',
  'index_info',
  'index_list',
  'index_xinfo',
  'table_info',
  'table_list',
  'table_xinfo',
])

class Answer {
  #bytesLeft: number
  #rowsLeft: number
  readonly #cellBytesMax: number
  isWhole = true

  constructor(request: Extract<DatabaseRequest, { kind: 'query' }>) {
    this.#bytesLeft = request.bytesMax
    this.#rowsLeft = request.rowsMax
    this.#cellBytesMax = request.cellBytesMax
  }

  /** False once there is no room for the row. */
  add(values: readonly Parameters<typeof cellOf>[0][]): boolean {
    const cells = values.map((value) => cellOf(value, this.#cellBytesMax))
    const line = JSON.stringify({ row: cells.map(({ value }) => value) } satisfies DatabaseLine)
    this.#bytesLeft -= Buffer.byteLength(line)
    this.#rowsLeft -= 1
    if (cells.some(({ isCut }) => isCut)) this.isWhole = false
    if (this.#bytesLeft >= 0 && this.#rowsLeft >= 0) {
      writeLine(line)
      return true
    }
    this.isWhole = false
    return false
  }
}

/** Each line at once: what was told before the process is stopped counts. */
function writeLine(line: string): void {
  const bytes = Buffer.from(`${line}\n`)
  for (let written = 0; written < bytes.length; ) written += writeSync(1, bytes, written)
}

function tell(line: DatabaseLine): void {
  writeLine(JSON.stringify(line))
}

function answerQuery(request: Extract<DatabaseRequest, { kind: 'query' }>): void {
  using database = openReadOnly(request.path)
  const answer = new Answer(request)
  if (request.sql === null) tellTables(database, answer)
  else tellRows(database, request.sql, answer)
  tell({ end: { isWhole: answer.isWhole } })
}

/** Nobody else has the file: without locks, a journal or a shared-memory file, SQLite writes nothing beside it. */
function openReadOnly(path: string): DatabaseSync {
  const url = pathToFileURL(path)
  url.search = '?immutable=1&mode=ro'
  const database = new DatabaseSync(url, {
    readOnly: true,
    allowExtension: false,
    defensive: true,
    enableForeignKeyConstraints: false,
    limits: { length: VALUE_BYTES_MAX, sqlLength: SQL_BYTES_MAX, attach: 0, triggerDepth: 1 },
  })
  database.exec(
    'PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY',
  )
  database.setAuthorizer((action, subject) => {
    if (ALLOWED.has(action)) return constants.SQLITE_OK
    const isTold = action === constants.SQLITE_PRAGMA && TOLD_PRAGMAS.has(subject ?? '')
    return isTold ? constants.SQLITE_OK : constants.SQLITE_DENY
  })
  return database
}

function tellRows(database: DatabaseSync, sql: string, answer: Answer): void {
  const statement = database.prepare(sql, { readBigInts: true, returnArrays: true })
  tell({ columns: statement.columns().map(({ name }) => name) })
  for (const row of statement.iterate()) if (!answer.add(Object.values(row))) break
}

/** A table that cannot be counted, such as one of a module that is not here, has no number. */
function tellTables(database: DatabaseSync, answer: Answer): void {
  const tables = database
    .prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
       ORDER BY name LIMIT ${TABLES_MAX + 1}`,
    )
    .all()
  tell({ columns: ['table', 'rows'] })
  if (tables.length > TABLES_MAX) answer.isWhole = false
  for (const { name } of tables.slice(0, TABLES_MAX))
    if (!answer.add([String(name), countOf(database, String(name))])) break
}

function countOf(database: DatabaseSync, table: string): number | null {
  try {
    const row = database.prepare(`SELECT count(*) AS count FROM "${table.replaceAll('"', '""')}"`).get()
    return Number(row?.count ?? 0)
  } catch {
    return null
  }
}

function settle(path: string): void {
  using database = new DatabaseSync(Buffer.from(path, 'latin1'), { allowExtension: false, defensive: true })
  database.exec('PRAGMA trusted_schema = OFF')
  database.prepare('SELECT count(*) FROM sqlite_schema').get()
  tell({ end: { isWhole: true } })
}

const request = JSON.parse(readFileSync(0, 'utf8')) as DatabaseRequest
try {
  if (request.kind === 'query') answerQuery(request)
  else settle(request.path)
} catch (error) {
  tell({ refused: error instanceof Error ? error.message : String(error) })
}

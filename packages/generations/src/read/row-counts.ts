import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isFailure } from '@holdfast/base/failure'
import type { ChunkId } from '../format/chunk-id.ts'
import type { DatabaseEntry, Entry } from '../format/entry.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { entryBytes, writeDatabase } from './entry-bytes.ts'
import { findEntry } from './tree-reader.ts'

/** Databases above this are not copied out just to count their rows. */
const COUNTED_BYTES_MAX = 512 * 1000 * 1000
const TABLES_MAX = 1000

export interface TableRows {
  readonly table: string
  /** Null where the table is not there, or cannot be read. */
  readonly before: number | null
  readonly after: number | null
}

export type RowComparison =
  | { readonly kind: 'counted'; readonly tables: readonly TableRows[] }
  | { readonly kind: 'not-counted'; readonly reason: string }

export interface DatabaseVersion {
  readonly root: ChunkId
  readonly entry: Entry
}

/**
 * Counts the rows of each table in two versions of the database at `path`, from copies restored to a scratch folder
 * that is removed. Says why where it does not count.
 */
export async function compareRows(
  chunks: ChunkReader,
  path: string,
  versions: { readonly before: DatabaseVersion; readonly after: DatabaseVersion },
): Promise<RowComparison> {
  const { before, after } = versions
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-diff-'))
  try {
    const old = await rowsOf(chunks, path, before, folder)
    const fresh = await rowsOf(chunks, path, after, folder)
    return pairRows(old, fresh)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The tables of both versions by name; either may be the reason why it was not counted. */
export function pairRows(
  before: ReadonlyMap<string, number | null> | string,
  after: ReadonlyMap<string, number | null> | string,
): RowComparison {
  if (typeof before === 'string') return { kind: 'not-counted', reason: before }
  if (typeof after === 'string') return { kind: 'not-counted', reason: after }
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  const tables = names.map((table) => ({
    table,
    before: before.get(table) ?? null,
    after: after.get(table) ?? null,
  }))
  return { kind: 'counted', tables }
}

/** Rows by table, or the reason why they are not counted. */
async function rowsOf(
  chunks: ChunkReader,
  path: string,
  { root, entry }: DatabaseVersion,
  folder: string,
): Promise<ReadonlyMap<string, number> | string> {
  if (entry.kind !== 'database') return 'one version is not a database'
  if (entryBytes(entry) > COUNTED_BYTES_MAX) return 'the database is larger than 512 MB'
  const journal = await findEntry(chunks, root, `${path}-journal`)
  if (journal?.kind === 'file' && (await isHot(chunks, journal)))
    return 'it has a journal that the next writer plays back'
  return await countRows(chunks, entry, folder)
}

/** SQLite plays a journal back when its first byte is not zero. */
async function isHot(chunks: ChunkReader, journal: Extract<Entry, { kind: 'file' }>): Promise<boolean> {
  const [first] = await chunks.flatten(journal.content)
  return first?.kind === 'chunk' && (await chunks.read(first.id))[0] !== 0
}

async function countRows(
  chunks: ChunkReader,
  entry: DatabaseEntry,
  folder: string,
): Promise<ReadonlyMap<string, number> | string> {
  const directory = await mkdtemp(join(folder, 'version-'))
  try {
    const path = await writeDatabase(chunks, entry, { directory, name: 'database' })
    return countTables(path)
  } catch (error) {
    if (isFailure(error)) throw error
    return `SQLite cannot read it: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** The schema is of foreign origin: no extension, and no function of it with side effects. */
function countTables(path: string): ReadonlyMap<string, number> {
  const database = new DatabaseSync(path, { allowExtension: false })
  try {
    database.exec('PRAGMA trusted_schema = OFF; PRAGMA query_only = ON')
    const tables = database
      .prepare(
        `SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         ORDER BY name LIMIT ${TABLES_MAX}`,
      )
      .all()
    const counts = new Map<string, number>()
    for (const { name } of tables) {
      const quoted = `"${String(name).replaceAll('"', '""')}"`
      const row = database.prepare(`SELECT count(*) AS count FROM ${quoted}`).get()
      counts.set(String(name), Number(row?.count))
    }
    return counts
  } finally {
    database.close()
  }
}

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const FILES = 30
const DATABASE = 'rows.db'
const ROW_BYTES = 3000
const LARGE_BYTES = 400_000

/** The plain files of version `version`: each changes in every third version and is absent in every seventh. */
function filesOf(version: number): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  for (let file = 0; file < FILES; file++) {
    if ((version + file) % 7 === 0) continue
    const text = `file ${file} as of ${Math.floor((version + file) / 3)}\n`
    files.set(`d${file % 4}/f${file}`, Buffer.alloc(50 + 317 * file, text))
  }
  const large = Buffer.alloc(LARGE_BYTES, 'large')
  large.write(`version ${version}`, (version * 37_003) % (LARGE_BYTES - 32))
  return files.set('large', large)
}

/** Turns the tree at `path`, of the version before or empty, into that version. */
export function writeVersion(path: string, version: number): void {
  const files = filesOf(version)
  for (const [name, bytes] of files) {
    const file = join(path, name)
    mkdirSync(dirname(file), { recursive: true })
    if (!existsSync(file) || !readFileSync(file).equals(bytes)) writeFileSync(file, bytes)
  }
  for (const name of listFiles(path)) if (!files.has(name)) rmSync(join(path, name))
  writeRows(join(path, DATABASE), version)
}

function writeRows(path: string, version: number): void {
  const database = new DatabaseSync(path)
  try {
    database.exec(
      'PRAGMA journal_mode=wal; CREATE TABLE IF NOT EXISTS t(version INTEGER PRIMARY KEY, content BLOB)',
    )
    const { newest } = database.prepare('SELECT ifnull(max(version), 0) AS newest FROM t').get() ?? {}
    const insert = database.prepare('INSERT INTO t VALUES (?, zeroblob(?))')
    for (let row = Number(newest) + 1; row <= version; row++) insert.run(row, ROW_BYTES)
    database.prepare('DELETE FROM t WHERE version > ?').run(version)
  } finally {
    database.close()
  }
}

/** Fails unless the tree at `path` is exactly that version. */
export function assertVersion(path: string, version: number): void {
  const files = filesOf(version)
  assert.deepEqual(listFiles(path), [...files.keys()].sort(), `the names of version ${version}`)
  for (const [name, bytes] of files)
    assert(readFileSync(join(path, name)).equals(bytes), `${name} is not that of version ${version}`)
  const database = new DatabaseSync(join(path, DATABASE))
  try {
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok')
    const row = database.prepare('SELECT count(*) AS count, max(version) AS newest FROM t').get()
    assert.deepEqual({ ...row }, { count: version, newest: version }, `the rows of version ${version}`)
  } finally {
    database.close()
  }
}

/** The plain files, sorted; the database and what SQLite puts beside it are not among them. */
function listFiles(path: string): string[] {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith(DATABASE))
  return files.map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1)).sort()
}

import { mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { seededText } from './seeded-bytes.ts'

/** Row n committed, then file n by a temporary name and a rename, then row n + 1: until it is killed. */
const FILES_KEPT = 32
const ROWS_KEPT = 64
const COUNT_BYTES = 8

function writeLedger(folder: string, countPath: string): void {
  const count = openSync(countPath, 'w')
  const word = Buffer.alloc(COUNT_BYTES)
  mkdirSync(join(folder, 'files'))
  const database = new DatabaseSync(join(folder, 'ledger.db'))
  database.exec('pragma journal_mode = wal; create table entry (n integer primary key, body text)')
  const insert = database.prepare('insert into entry values (?, ?)')
  const remove = database.prepare('delete from entry where n <= ?')
  const text = seededText(7)
  for (let n = 1; ; n++) {
    database.exec('begin immediate')
    insert.run(n, text(400).toString('latin1'))
    remove.run(n - ROWS_KEPT)
    database.exec('commit')
    writeFileSync(join(folder, 'temporary'), text(4000))
    renameSync(join(folder, 'temporary'), join(folder, 'files', `${n}`))
    if (n > FILES_KEPT) rmSync(join(folder, 'files', `${n - FILES_KEPT}`))
    word.writeBigUInt64LE(BigInt(n))
    writeSync(count, word, 0, COUNT_BYTES, 0)
  }
}

/** How many steps the writer has done; 0 before its first. */
export function ledgerSteps(countPath: string): number {
  const word = readFileSync(countPath)
  return word.length < COUNT_BYTES ? 0 : Number(word.readBigUInt64LE())
}

if (import.meta.main) {
  const [folder, countPath] = process.argv.slice(2)
  if (folder === undefined || countPath === undefined) throw new Error('usage: ledger.ts FOLDER COUNT')
  writeLedger(folder, countPath)
}

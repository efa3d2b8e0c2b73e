import { renameSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/*
 * Writes a ledger as fast as it can, in the directory where it runs: row n is committed before file n appears, file n
 * before row n + 1. So at every instant the newest file is that of the newest row or of the one before.
 *
 *     node ledger-writer.fixture.ts <journal mode>
 */
const FILES = 100
const database = new DatabaseSync('ledger.db')
database.exec(`PRAGMA journal_mode = ${process.argv[2] ?? 'wal'}; PRAGMA wal_autocheckpoint = 50`)
database.exec('CREATE TABLE IF NOT EXISTS ledger (n INTEGER PRIMARY KEY, filler BLOB)')
const insert = database.prepare('INSERT INTO ledger VALUES (?, randomblob(300))')
for (let n = 1; ; n++) {
  insert.run(n)
  writeFileSync('entry.new', `${n} `.repeat(500))
  renameSync('entry.new', `entry-${n % FILES}`)
}

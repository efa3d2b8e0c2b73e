// A program that knows nothing of Holdfast: it keeps a ledger in a SQLite database and a receipt file for each row.
//
//     node ledger-writer.mjs DIR [ACK_FILE]
//
// For entry N it writes receipts/N.txt, then commits row N with the receipt's hash. So at every instant there are as
// many receipts as rows, or one more: ledger-check.mjs tells whether a copy of DIR was taken at one instant. The number
// of the last entry that was committed goes to ACK_FILE. It writes until SIGTERM.
import { createHash } from 'node:crypto'
import { mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

const [directory, ackFile] = process.argv.slice(2)
if (directory === undefined) {
  process.stderr.write('usage: node ledger-writer.mjs DIR [ACK_FILE]\n')
  process.exit(2)
}
const PAUSE_MS = 4
const RECEIPTS_PER_FOLDER = 500

let running = true
process.on('SIGTERM', () => {
  running = false
})

mkdirSync(directory, { recursive: true })
const database = new DatabaseSync(join(directory, 'ledger.db'))
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, receipt TEXT NOT NULL, sha256 TEXT NOT NULL
  ) STRICT;
`)
const insert = database.prepare('INSERT INTO entries VALUES (?, ?, ?, ?)')
const ack = ackFile === undefined ? undefined : openSync(ackFile, 'w')

let id = Number(database.prepare('SELECT coalesce(max(id), 0) AS last FROM entries').get().last)
while (running) {
  id++
  const amount = (id * 7919) % 10_000
  const folder = `receipts/${String(Math.floor(id / RECEIPTS_PER_FOLDER)).padStart(4, '0')}`
  const receipt = `${folder}/${id}.txt`
  const text = `receipt ${id}\namount ${amount}\n${'thank you for your business\n'.repeat(1 + (id % 40))}`
  mkdirSync(join(directory, folder), { recursive: true })
  writeFileSync(join(directory, receipt), text)
  insert.run(id, amount, receipt, createHash('sha256').update(text).digest('hex'))
  if (ack !== undefined) writeSync(ack, `${id}\n`, 0)
  await sleep(PAUSE_MS)
}
database.close()

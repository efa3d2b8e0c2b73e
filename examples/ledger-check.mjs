// Checks a directory that ledger-writer.mjs wrote, or a copy of it:
//
//     node ledger-check.mjs DIR
//
// SQLite's integrity_check must say ok, rows must be numbered without a gap, every row must have its receipt with the
// very bytes, and there may be one receipt more than rows. Prints one line of JSON; ends with 1 when anything is wrong.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const [directory] = process.argv.slice(2)
if (directory === undefined || !existsSync(join(directory, 'ledger.db'))) {
  process.stderr.write('usage: node ledger-check.mjs DIR, where DIR has a ledger.db\n')
  process.exit(2)
}
const database = new DatabaseSync(join(directory, 'ledger.db'))
const integrity = String(database.prepare('PRAGMA integrity_check').get().integrity_check)
const entries = database.prepare('SELECT id, receipt, sha256 FROM entries ORDER BY id').all()
const receipts = readdirSync(join(directory, 'receipts'), { recursive: true }).filter((name) =>
  name.endsWith('.txt'),
)

const problems = integrity === 'ok' ? [] : [integrity]
for (const [index, { id, receipt, sha256 }] of entries.entries()) {
  if (id !== index + 1) problems.push(`row ${index + 1} is missing`)
  const path = join(directory, receipt)
  const found = existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'none'
  if (found !== sha256) problems.push(`${receipt} is not what row ${id} says`)
  if (problems.length > 10) break
}
const surplus = receipts.length - entries.length
if (surplus < 0 || surplus > 1) problems.push(`${receipts.length} receipts for ${entries.length} rows`)
database.close()
process.stdout.write(
  `${JSON.stringify({ rows: entries.length, receipts: receipts.length, integrity, problems })}\n`,
)
process.exit(problems.length === 0 ? 0 : 1)

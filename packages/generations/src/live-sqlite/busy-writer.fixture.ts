import { DatabaseSync } from 'node:sqlite'

/*
 * Writes a WAL database without pause: updates, inserts, deletes, and its own checkpoints every few pages.
 * Arguments: path of the database, pages between checkpoints.
 */
const [path = '', autocheckpoint = '40'] = process.argv.slice(2)
const database = new DatabaseSync(path, { timeout: 5000 })
database.exec(
  `PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = ${autocheckpoint}`,
)
database.exec('CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, body BLOB)')
const insert = database.prepare('INSERT INTO entry (body) VALUES (randomblob(600))')
const update = database.prepare(
  'UPDATE entry SET body = randomblob(600) WHERE id = (SELECT abs(random()) % max(id) + 1 FROM entry)',
)
const remove = database.prepare(
  'DELETE FROM entry WHERE id IN (SELECT id FROM entry ORDER BY random() LIMIT 2)',
)
for (let round = 0; ; round++) {
  database.exec('BEGIN')
  if (round % 5 < 2) insert.run()
  else update.run()
  if (round % 97 === 0) remove.run()
  database.exec('COMMIT')
  if (round % 50 === 0) process.send?.(round)
}

import { DatabaseSync } from 'node:sqlite'

/*
 * Adds 50 rows to table `t` of a database in one transaction too large for its cache, says so, and commits when it is
 * told to. A process of its own: locks are a process's, and its own reads would drop them. Argument: the database.
 */
const database = new DatabaseSync(process.argv[2] ?? '')
database.exec('PRAGMA cache_size = 2; BEGIN EXCLUSIVE')
const insert = database.prepare('INSERT INTO t VALUES (randomblob(100000))')
for (let row = 0; row < 50; row++) insert.run()
process.send?.('written')
process.once('message', () => {
  database.exec('COMMIT')
  database.close()
  process.disconnect()
})

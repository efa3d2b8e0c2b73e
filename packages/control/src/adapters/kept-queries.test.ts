import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Kysely, SqliteDialect } from 'kysely'
import { KeptQueries } from './kept-queries.ts'
import { SqliteStatements } from './sqlite-statements.ts'

interface Pairs {
  pairs: { name: string; value: number | null }
}

test('a kept query is built once, and takes other values each time', () => {
  using database = new DatabaseSync(':memory:')
  const statements = new SqliteStatements(database)
  const pairs = new Kysely<Pairs>({ dialect: new SqliteDialect({ database: statements.asDatabase() }) })
  const queries = new KeptQueries()
  let built = 0
  const put = (rows: readonly Pairs['pairs'][]) => {
    const query = queries.query(`put ${rows.length}`, rows, (columns) => {
      built++
      return pairs.insertInto('pairs').values(columns)
    })
    statements.run(query.sql, query.parameters)
  }
  statements.run('CREATE TABLE pairs (name TEXT, value INTEGER)')
  put([{ name: 'a', value: 1 }])
  put([{ name: 'b', value: null }])
  put([
    { name: 'c', value: 3 },
    { name: 'd', value: 4 },
  ])
  assert.equal(built, 2)
  const find = queries.query('find', [{ least: 2 }], ([given]) =>
    pairs
      .selectFrom('pairs')
      .select('name')
      .where('value', '>', given?.least ?? 0)
      .where('name', '<>', 'd'),
  )
  assert.deepEqual(
    statements.run<{ name: string }>(find.sql, find.parameters).map(({ name }) => name),
    ['c'],
  )
  assert.deepEqual(
    statements.run('SELECT name, value FROM pairs ORDER BY name').map((row) => ({ ...(row as object) })),
    [
      { name: 'a', value: 1 },
      { name: 'b', value: null },
      { name: 'c', value: 3 },
      { name: 'd', value: 4 },
    ],
  )
})

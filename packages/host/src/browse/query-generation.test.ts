import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BrowseWorld, killAtWrite, killSpanningTransaction, refuses } from './browse-world.fixture.ts'

const COUNT_UP = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)'

test('a database of a generation answers queries with values that JSON can carry', async () => {
  await using world = await BrowseWorld.open()
  world.sql(
    'app.db',
    'CREATE TABLE t (a INTEGER, b)',
    "INSERT INTO t VALUES (9007199254740993, x'00ff'), (-5, NULL), (1, 1.5), (2, 9e999), (3, 'größe')",
    'CREATE TABLE w (k PRIMARY KEY, v) WITHOUT ROWID',
    "INSERT INTO w VALUES ('k', 'v')",
    "CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('hello world')",
  )
  const place = { generation: await world.commit(), path: 'app.db' }
  assert.deepEqual(await world.query(place, 'SELECT a, b, b AS a FROM t;'), {
    columns: ['a', 'b', 'a'],
    rows: [
      ['9007199254740993', "x'00FF'", "x'00FF'"],
      [-5, null, null],
      [1, 1.5, 1.5],
      [2, 'Infinity', 'Infinity'],
      [3, 'größe', 'größe'],
    ],
    isWhole: true,
  })
  assert.deepEqual((await world.query(place, 'SELECT * FROM w')).rows, [['k', 'v']])
  assert.deepEqual((await world.query(place, "SELECT x FROM f WHERE f MATCH 'hello'")).rows, [
    ['hello world'],
  ])
  assert.deepEqual((await world.query(place, "SELECT name FROM pragma_table_info('w')")).rows, [['k'], ['v']])
  const { columns, rows, isWhole } = await world.query(place, null)
  assert.deepEqual(columns, ['table', 'rows'])
  assert.deepEqual(
    [rows.find(([name]) => name === 't'), rows.find(([name]) => name === 'w')],
    [
      ['t', 5],
      ['w', 1],
    ],
  )
  assert.equal(isWhole, true)
})

test('a query sees the generation that it names, also a table that is gone since', async () => {
  await using world = await BrowseWorld.open()
  world.sql('app.db', 'PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)')
  const first = await world.commit()
  world.sql('app.db', 'DROP TABLE t')
  const second = await world.commit()
  assert.deepEqual((await world.query({ generation: first, path: 'app.db' }, null)).rows, [['t', 1]])
  const gone = { generation: second, path: 'app.db' }
  assert.deepEqual((await world.query(gone, null)).rows, [])
  await refuses(world.query(gone, 'SELECT * FROM t'), 'invalid-argument', /no such table: t/)
})

test('what is no database, no query, or writes is refused', async () => {
  await using world = await BrowseWorld.open()
  world.sql('app.db', 'CREATE TABLE t (a)')
  world.write('text', 'text')
  const generation = await world.commit()
  const place = { generation, path: 'app.db' }
  await refuses(world.query({ generation, path: 'text' }, null), 'invalid-argument', /no SQLite database/)
  await refuses(world.query({ generation, path: '.' }, null), 'invalid-argument', /directory/)
  await refuses(world.query({ generation, path: 'gone.db' }, null), 'not-found')
  for (const sql of [
    'DELETE FROM t',
    'PRAGMA journal_mode = WAL',
    "ATTACH '/etc/passwd' AS p",
    'SELECT 1; SELECT 2',
    'WITH c AS (SELECT 1) DELETE FROM t',
    "SELECT load_extension('x')",
    'SELECT * FROM pragma_database_list',
    'EXPLAIN DELETE FROM t',
    'SELEC',
  ])
    await refuses(world.query(place, sql), 'invalid-argument')
})

test('a database that SQLite cannot read is refused by name, and hurts nobody', async () => {
  await using world = await BrowseWorld.open()
  world.sql(
    'app.db',
    'CREATE TABLE t (a)',
    `${COUNT_UP} INSERT INTO t SELECT hex(randomblob(500)) FROM c LIMIT 50`,
  )
  const bytes = readFileSync(join(world.source, 'app.db'))
  bytes.fill(0x5a, 100)
  world.write('app.db', bytes)
  const generation = await world.commit()
  await refuses(world.query({ generation, path: 'app.db' }, null), 'invalid-argument', /app\.db: .*malformed/)
  world.sql('good.db', 'CREATE TABLE t (a)')
  const good = { generation: await world.commit(), path: 'good.db' }
  assert.deepEqual((await world.query(good, null)).rows, [['t', 0]])
})

test('rows, bytes, values and time are bounded, and what was cut says so', async () => {
  const bounds = { rowsMax: 10_000, answerBytesMax: 1 << 20, cellBytesMax: 100, queryMsMax: 2000 }
  await using world = await BrowseWorld.open({ bounds })
  world.sql('app.db', 'CREATE TABLE t (a)', `${COUNT_UP} INSERT INTO t SELECT x FROM c LIMIT 100000`)
  const place = { generation: await world.commit(), path: 'app.db' }
  const many = await world.query(place, 'SELECT * FROM t')
  assert.deepEqual([many.rows.length, many.isWhole], [10_000, false])
  const wide = await world.query(place, 'SELECT hex(zeroblob(50)), * FROM t')
  assert.ok(wide.rows.length < 10_000 && !wide.isWhole)
  const long = await world.query(place, 'SELECT zeroblob(1000), hex(zeroblob(1000))')
  assert.deepEqual([long.rows, long.isWhole], [[[`x'${'00'.repeat(100)}'`, '0'.repeat(100)]], false])
  const started = performance.now()
  await refuses(
    world.query(place, `${COUNT_UP} SELECT count(*) FROM c`),
    'invalid-argument',
    /no row in time/,
  )
  assert.ok(performance.now() - started < 6000)
  const slow = await world.query(place, `${COUNT_UP} SELECT x FROM c WHERE x < 3 OR x = -1`)
  assert.deepEqual([slow.rows, slow.isWhole], [[[1], [2]], false])
  const greedy = `${COUNT_UP} SELECT length(b) FROM (SELECT hex(zeroblob(10000000)) AS b, x FROM c LIMIT 200) ORDER BY b`
  await refuses(world.query(place, greedy), 'invalid-argument', /out of memory|memory and processor|in time/)
  assert.deepEqual((await world.query(place, 'SELECT 1')).rows, [[1]])
})

test('databases are kept as files within a bound, for nobody but root and their reader', async () => {
  await using world = await BrowseWorld.open({ bounds: { cachedBytesMax: 20_000 } })
  world.sql('a.db', 'CREATE TABLE a (x)')
  world.sql('b.db', 'CREATE TABLE b (x)')
  world.sql('c.db', 'CREATE TABLE c (x)')
  world.sql('large.db', 'CREATE TABLE l (x)', 'INSERT INTO l VALUES (zeroblob(30000))')
  const generation = await world.commit()
  const ask = (name: string) => world.query({ generation, path: `${name}.db` }, null)
  for (const name of ['a', 'b', 'c', 'a', 'c']) assert.deepEqual((await ask(name)).rows, [[name, 0]])
  const folder = join(world.scratch, 'databases')
  const kept = readdirSync(folder)
  assert.equal(kept.length, 2)
  for (const name of ['', ...kept]) assert.equal(statSync(join(folder, name)).mode & 0o077, 0)
  await refuses(ask('large'), 'too-large')
  const both = await Promise.all([ask('a'), ask('c'), ask('a')])
  assert.equal(both.length, 3)
})

test('a journal of a killed writer is rolled back before the first query, in a copy', async () => {
  await using world = await BrowseWorld.open()
  const rows = `${COUNT_UP} INSERT INTO t SELECT 0, zeroblob(500) FROM c LIMIT 100`
  world.sql('app.db', 'CREATE TABLE t (x, b)', rows)
  const file = join(world.source, 'app.db')
  killAtWrite(file, 5, ['sqlite3', file, 'UPDATE t SET x = 1'])
  assert.equal(existsSync(`${file}-journal`), true)
  const place = { generation: await world.commit(), path: 'app.db' }
  assert.deepEqual((await world.query(place, 'SELECT x, count(*) FROM t GROUP BY x')).rows, [[0, 100]])
  const raw = await world.file(place)
  assert.deepEqual(raw.bytes, readFileSync(file), 'a download is the file as it was')
})

test('a transaction over two databases is ended as a file at the path of its writers says', async () => {
  await using world = await BrowseWorld.open()
  world.sql('a.db', 'CREATE TABLE t (x); INSERT INTO t VALUES (0)')
  world.sql('b.db', 'CREATE TABLE t (x); INSERT INTO t VALUES (0)')
  killSpanningTransaction(world.source)
  const generation = await world.commit()
  renameSync(world.source, `${world.source}.gone`)
  for (const path of ['a.db', 'b.db'])
    assert.deepEqual((await world.query({ generation, path }, 'SELECT * FROM t')).rows, [[0]], path)
})

test('a database that recovers only at its path is not opened without the right to mount', async () => {
  await using world = await BrowseWorld.open({ isRoot: false })
  for (const name of ['a.db', 'b.db', 'c.db']) world.sql(name, 'CREATE TABLE t (x); INSERT INTO t VALUES (0)')
  killSpanningTransaction(world.source)
  const generation = await world.commit()
  await refuses(world.query({ generation, path: 'a.db' }, null), 'unsupported-here', /needs root/)
  assert.deepEqual((await world.query({ generation, path: 'c.db' }, null)).rows, [['t', 1]])
})

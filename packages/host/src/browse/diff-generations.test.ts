import assert from 'node:assert/strict'
import { chmodSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BrowseWorld, refuses } from './browse-world.fixture.ts'

test('a difference names what was added, removed and changed, and the rows of databases', async () => {
  await using world = await BrowseWorld.open()
  for (const name of ['kept', 'gone', 'edited', 'locked']) world.write(name, name)
  world.sql(
    'app.db',
    'CREATE TABLE t (a); CREATE TABLE old (a); CREATE TABLE same (a); INSERT INTO t VALUES (1), (2)',
  )
  const first = await world.commit()
  rmSync(join(world.source, 'gone'))
  world.write('edited', 'edited now')
  world.write('dir/new', 'new')
  chmodSync(join(world.source, 'locked'), 0o600)
  world.sql('app.db', 'INSERT INTO t VALUES (3); DROP TABLE old; CREATE TABLE fresh (a)')
  world.sql('more.db', 'CREATE TABLE m (a); INSERT INTO m VALUES (1)')
  const second = await world.commit()
  const { entries, databases, isWhole } = await world.diff(null, second)
  assert.equal(isWhole, true)
  assert.deepEqual(
    entries.map(({ path, change, kind }) => [path, change, kind]),
    [
      ['app.db', 'changed', 'database'],
      ['dir', 'added', 'directory'],
      ['dir/new', 'added', 'file'],
      ['edited', 'changed', 'file'],
      ['gone', 'removed', 'file'],
      ['locked', 'changed', 'file'],
      ['more.db', 'added', 'database'],
    ],
  )
  assert.deepEqual(entries.find(({ path }) => path === 'locked')?.aspects, ['mode'])
  assert.deepEqual(databases, [
    {
      path: 'app.db',
      tables: [
        { name: 'fresh', rowsBefore: null, rowsAfter: 0 },
        { name: 'old', rowsBefore: 0, rowsAfter: null },
        { name: 't', rowsBefore: 2, rowsAfter: 3 },
      ],
      notCounted: null,
    },
    { path: 'more.db', tables: [{ name: 'm', rowsBefore: null, rowsAfter: 1 }], notCounted: null },
  ])
  const back = await world.diff(second, first)
  assert.deepEqual(back.entries.find(({ path }) => path === 'gone')?.change, 'added')
  assert.deepEqual(await world.diff(first, first), { entries: [], databases: [], isWhole: true })
})

test('the first generation is compared with nothing, and that of a fork with where it began', async () => {
  await using world = await BrowseWorld.open()
  world.write('a', '1')
  const first = await world.commit()
  const all = await world.diff(null, first)
  assert.deepEqual(
    all.entries.map(({ path, change, bytes }) => [path, change, bytes]),
    [['a', 'added', 1]],
  )
  const fork = await world.fork(first)
  world.write('b', '2')
  const next = await world.commit(fork)
  const { entries } = await world.diff(null, next, { workspace: fork })
  assert.deepEqual(
    entries.map(({ path, change }) => [path, change]),
    [['b', 'added']],
  )
  await refuses(world.diff(first, next), 'not-found')
})

test('entries and counted databases are bounded, and what SQLite cannot read says why', async () => {
  await using world = await BrowseWorld.open({ bounds: { comparedMax: 1 } })
  world.write('a', '1')
  const first = await world.commit()
  for (const name of ['x.db', 'y.db']) world.sql(name, 'CREATE TABLE t (a)')
  world.write(
    'broken.db',
    Buffer.concat([
      Buffer.from('SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20', 'latin1'),
      Buffer.alloc(4072),
    ]),
  )
  const second = await world.commit()
  const { databases } = await world.diff(first, second)
  assert.equal(databases.length, 2 + Number(databases.some(({ path }) => path === 'broken.db')))
  assert.match(databases.at(-1)?.notCounted ?? '', /only 1 databases/)
  const cut = await world.diff(first, second, { limit: 1 })
  assert.deepEqual([cut.entries.length, cut.isWhole], [1, false])
})

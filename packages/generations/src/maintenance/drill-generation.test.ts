import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { checkDatabases } from './check-databases.ts'
import { compactWorkspace } from './compact-workspace.ts'
import { DamagedStore } from './damaged-store.fixture.ts'
import { type DrillOutcome, drillGeneration } from './drill-generation.ts'
import { ORG, World, type WorldWorkspace } from './world.fixture.ts'

async function drill(
  world: World,
  workspace: WorldWorkspace,
  id: string,
  mountPath?: string,
): Promise<DrillOutcome> {
  const scratch = join(world.path, 'scratch')
  mkdirSync(scratch, { recursive: true })
  const outcome = await drillGeneration(
    { ...world.deps, holdfs: world.holdfs, threads: 1, sealKey: world.sealKey, isRoot: true },
    {
      org: ORG,
      generation: await world.index.generation(id),
      scratch,
      mountPath: mountPath ?? workspace.path,
    },
  )
  assert.deepEqual(readdirSync(scratch), [])
  return outcome
}

function insertNumbers(count: number): string {
  const numbers = `WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ${count})`
  return `INSERT INTO t ${numbers} SELECT x FROM n`
}

/** Files of every kind and databases in both journal modes. */
function populate(workspace: WorldWorkspace): void {
  workspace.write('plain', 'text '.repeat(100))
  workspace.write('sub/empty', '')
  workspace.write('sub/large', randomFillSync(Buffer.alloc(3 << 20)))
  workspace.write('sub/sparse', 'x')
  truncateSync(join(workspace.path, 'sub/sparse'), 5 << 20)
  symlinkSync('plain', join(workspace.path, 'link'))
  linkSync(join(workspace.path, 'plain'), join(workspace.path, 'sub/hard'))
  linkSync(join(workspace.path, 'plain'), join(workspace.path, 'hard-too'))
  utimesSync(join(workspace.path, 'plain'), 1, 1)
  for (const mode of ['wal', 'delete']) {
    using database = new DatabaseSync(join(workspace.path, `${mode}.db`))
    database.exec(`PRAGMA journal_mode = ${mode}; CREATE TABLE t (x); CREATE TABLE u (y)`)
    database.exec(insertNumbers(500))
  }
}

test('a drill restores a whole generation, proves it, and marks it as verified', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  populate(workspace)
  const first = await workspace.commit()
  using database = new DatabaseSync(join(workspace.path, 'wal.db'))
  database.exec('INSERT INTO u VALUES (1), (2)')
  const second = await workspace.commit()
  for (const id of [first, second]) {
    const outcome = await drill(world, workspace, id)
    assert.ok(outcome.kind === 'verified', JSON.stringify(outcome))
    const found = new Map(outcome.databases.map((each) => [each.path, each]))
    assert.deepEqual(found.get('delete.db'), { path: 'delete.db', notes: [], tables: 2, rows: 500 })
    assert.equal(found.get('wal.db')?.rows, id === first ? 500 : 502)
    assert.notEqual((await world.index.generation(id)).verifiedAt, null)
  }
})

test('a drill finds a bit turned over in a pack that it needs, marks nothing and names the newest intact generation', async () => {
  const store = new DamagedStore(new MemoryObjectStore(systemClock))
  await using world = await World.make({ store })
  const workspace = await world.workspace('ws-1')
  workspace.write('kept', 'kept from the first generation on '.repeat(50))
  const first = await workspace.commit()
  workspace.write('later', 'only in the second generation '.repeat(50))
  const second = await workspace.commit()
  const { recordPack } = await world.index.generation(second)
  const key = `packs/${recordPack}`
  const next = seededNumbers(5)
  const { bytes } = (await store.objects()).find((object) => object.key === key) ?? { bytes: 0 }
  for (let flip = 0; flip < 10; flip++) {
    // The header is not read by a restore, nor is the record: verify reads them.
    await store.flipBit(key, (8 + Math.floor(next() * (bytes * 0.3))) * 8)
    const outcome = await drill(world, workspace, second)
    assert.ok(outcome.kind === 'failed', `byte of ${bytes}`)
    assert.match(outcome.problem, /corrupt|missing/)
    assert.equal(outcome.newestIntact, first)
    store.heal()
  }
  assert.equal((await world.index.generation(second)).verifiedAt, null)
  store.remove(key)
  assert.equal((await drill(world, workspace, second)).kind, 'failed')
  assert.equal((await drill(world, workspace, first)).kind, 'verified')
})

test('a drill after compaction reads the merged packs', async () => {
  await using world = await World.make({ sealKey: Buffer.alloc(32, 3) })
  const workspace = await world.workspace('ws-1')
  populate(workspace)
  for (let made = 0; made < 18; made++) {
    workspace.write(`f${made}`, `content ${made}`)
    await workspace.commit()
  }
  await compactWorkspace(world.deps, { lease: workspace.lease, always: true })
  const [head] = [...workspace.model.keys()].reverse()
  assert.equal((await drill(world, workspace, head ?? '')).kind, 'verified')
})

test('a database that was committed damaged fails its drill', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  const path = join(workspace.path, 'broken.db')
  {
    using database = new DatabaseSync(path)
    database.exec('CREATE TABLE t (x); CREATE INDEX i ON t (x)')
    database.exec(insertNumbers(2000))
  }
  const bytes = readFileSync(path)
  bytes.fill(0xee, 2 * 4096 + 8, 2 * 4096 + 64)
  workspace.write('broken.db', bytes)
  const outcome = await drill(world, workspace, await workspace.commit())
  assert.ok(outcome.kind === 'failed')
  assert.match(outcome.problem, /broken\.db/)
})

test('foreign keys that an application left dangling are told of and do not fail a drill', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  {
    using database = new DatabaseSync(join(workspace.path, 'keys.db'), { enableForeignKeyConstraints: false })
    database.exec('CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id))')
    database.exec('INSERT INTO c VALUES (1), (2)')
  }
  const outcome = await drill(world, workspace, await workspace.commit())
  assert.ok(outcome.kind === 'verified')
  assert.deepEqual(outcome.databases[0]?.notes, [
    'foreign_key_check: 2 rows refer to rows that are not there',
  ])
})

/** Two databases whose common transaction of one row each was killed after it had changed the first one only. */
function killCommonTransaction(directory: string): void {
  const [a, b] = [join(directory, 'a.db'), join(directory, 'b.db')]
  for (const path of [a, b]) {
    using database = new DatabaseSync(path)
    database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (0)')
  }
  const sql = `ATTACH '${b}' AS b; BEGIN; INSERT INTO main.t VALUES (1); INSERT INTO b.t VALUES (1); COMMIT;`
  const kill = ['-e', 'trace=pwrite64', '-e', 'inject=pwrite64:signal=KILL:when=1', '-P', b]
  assert.throws(() =>
    execFileSync('strace', ['-f', '-qq', '-o', '/dev/null', ...kill, 'sqlite3', a, sql], { stdio: 'ignore' }),
  )
  assert.ok(readdirSync(directory).some((name) => name.includes('-mj')))
}

test('databases that recover only at the path of their writers are mounted there, also where it is gone', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  killCommonTransaction(workspace.path)
  const id = await workspace.commit()
  for (const gone of [false, true]) {
    if (gone) rmSync(workspace.path, { recursive: true })
    const outcome = await drill(world, workspace, id)
    assert.ok(outcome.kind === 'verified', JSON.stringify(outcome))
    assert.deepEqual(
      outcome.databases.map(({ path, rows }) => [path, rows]),
      [
        ['a.db', 1],
        ['b.db', 1],
      ],
    )
    assert.equal(existsSync(workspace.path), !gone)
  }
  assert.doesNotMatch(readFileSync('/proc/self/mounts', 'utf8'), new RegExp(workspace.path))
})

test('without root such databases are not opened, and their drill marks nothing', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  killCommonTransaction(workspace.path)
  workspace.write('plain', 'text')
  {
    using database = new DatabaseSync(join(workspace.path, 'free.db'))
    database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (0)')
  }
  const before = readFileSync(join(workspace.path, 'a.db-journal'))
  const databases = ['a.db', 'b.db', 'free.db']
  const { path } = workspace
  const checked = await checkDatabases({ directory: path, databases, mountPath: path, isRoot: false })
  assert.deepEqual(
    checked.map(({ notChecked, rows }) => [notChecked?.replace(/ at .*,/, ' at its path,'), rows]),
    [
      ['it recovers only at its path, and mounting it there needs root', 0],
      ['it recovers only at its path, and mounting it there needs root', 0],
      [undefined, 1],
    ],
  )
  assert.deepEqual(readFileSync(join(workspace.path, 'a.db-journal')), before)
})

test('databases whose transaction was begun at another path are not opened, and their drill marks nothing', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  killCommonTransaction(workspace.path)
  const id = await workspace.commit()
  const outcome = await drill(world, workspace, id, join(world.path, 'elsewhere'))
  assert.equal(outcome.kind, 'unchecked')
  assert.ok(outcome.kind === 'unchecked')
  for (const { notChecked } of outcome.databases) assert.match(notChecked ?? '', /another path/)
  assert.equal((await world.index.generation(id)).verifiedAt, null)
})

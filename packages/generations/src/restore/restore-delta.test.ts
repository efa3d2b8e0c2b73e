import assert from 'node:assert/strict'
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { CountingStore } from '@holdfast/testkit/counting-store'
import { noise } from '@holdfast/testkit/noise'
import { changeRandomTree, makeRandomTree } from '@holdfast/testkit/random-tree'
import { assertSameTree } from '@holdfast/testkit/tree-facts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { restoreDelta } from './restore-delta.ts'
import { RestoreThreads } from './restore-threads.ts'

interface Roots {
  readonly from: string
  readonly to: string
}

async function bring(
  workspace: CommittedWorkspace,
  path: string,
  { from, to }: Roots,
): Promise<'done' | 'unfit'> {
  const { holdfs, deps } = workspace
  const threads = new RestoreThreads(1, null)
  const chunks = await workspace.chunks()
  const restore = { store: deps.store, coding: { seal: null }, chunks, threads, holdfs, setOwners: true }
  return await restoreDelta(restore, { from: chunkIdFromHex(from), to: chunkIdFromHex(to), path })
}

/** Gives each name a file of its own. */
function breakLinks(directory: Buffer): void {
  for (const name of readdirSync(directory, { encoding: 'buffer' })) {
    const path = Buffer.concat([directory, Buffer.from('/'), name])
    const found = lstatSync(path)
    if (found.isDirectory()) breakLinks(path)
    else if (found.nlink > 1 && found.isFile()) {
      const start = readFileSync(path).subarray(0, 1 << 20) // sparse giants lose their ends
      rmSync(path)
      writeFileSync(path, start)
    } else if (found.nlink > 1) rmSync(path)
  }
}

function fill(database: DatabaseSync, rows: number): void {
  database.exec('BEGIN')
  for (let row = 0; row < rows; row++) database.prepare('INSERT INTO t VALUES (?)').run('x'.repeat(500))
  database.exec('COMMIT')
}

test('random trees become one another', async () => {
  let done = 0
  for (const seed of [1, 2, 3]) {
    await using workspace = await CommittedWorkspace.open()
    const { holdfs, source } = workspace
    await makeRandomTree(holdfs, source, { seed, names: 60 })
    breakLinks(Buffer.from(source))
    const first = await workspace.commitNew()
    let there = await workspace.restore(first.root)
    let before = first.root
    for (const changes of [1, 5, 40]) {
      await changeRandomTree(holdfs, source, { seed: seed * 100 + changes, names: 0, changes })
      breakLinks(Buffer.from(source))
      const { root } = await workspace.commitNew()
      const brought = await bring(workspace, there, { from: before, to: root })
      if (brought === 'unfit') there = await workspace.restore(root)
      done += brought === 'done' ? 1 : 0
      await assertSameTree(holdfs, there, source)
      before = root
    }
  }
  assert.ok(done >= 4, `${done} of 9`)
})

test('a database that went on gets its new pages in place', async () => {
  await using workspace = await CommittedWorkspace.open()
  const database = new DatabaseSync(workspace.path('db'))
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (v)')
  fill(database, 2000)
  const first = await workspace.commitNew()
  const there = await workspace.restore(first.root)
  const { ino } = statSync(join(there, 'db'))
  database.exec("UPDATE t SET v = 'changed' WHERE rowid = 1000")
  const second = await workspace.commitNew()
  database.close()
  assert.equal(await bring(workspace, there, { from: first.root, to: second.root }), 'done')
  assert.equal(statSync(join(there, 'db')).ino, ino)
  using copy = new DatabaseSync(join(there, 'db'))
  assert.equal(copy.prepare("SELECT count(*) n FROM t WHERE v = 'changed'").get()?.n, 1)
})

test('a database that is other than it should be is refused', async () => {
  await using workspace = await CommittedWorkspace.open()
  using database = new DatabaseSync(workspace.path('db'))
  database.exec('CREATE TABLE t (v); INSERT INTO t VALUES (1)')
  fill(database, 200)
  const first = await workspace.commitNew()
  const there = await workspace.restore(first.root)
  database.exec('UPDATE t SET v = 2 WHERE rowid = 1')
  const second = await workspace.commitNew()
  {
    using other = new DatabaseSync(join(there, 'db'))
    other.exec("UPDATE t SET v = 'not ours' WHERE rowid = 150")
  }
  await assert.rejects(bring(workspace, there, { from: first.root, to: second.root }), (error) =>
    isFailure(error, 'database-corrupt'),
  )
})

test('what the trees share is not fetched', async () => {
  const store = new CountingStore(new MemoryObjectStore(systemClock))
  await using workspace = await CommittedWorkspace.open({ store })
  mkdirSync(workspace.path('large'))
  for (let at = 0; at < 20; at++) writeFileSync(workspace.path(`large/${at}`), noise(at, 100_000))
  const first = await workspace.commitNew()
  const there = await workspace.restore(first.root)
  writeFileSync(workspace.path('small'), 'little')
  const second = await workspace.commitNew()
  const getsBefore = store.gets
  assert.equal(await bring(workspace, there, { from: first.root, to: second.root }), 'done')
  const getsOfDelta = store.gets - getsBefore
  await workspace.restore(second.root)
  const getsOfWhole = store.gets - getsBefore - getsOfDelta
  assert.ok(getsOfDelta < getsOfWhole, `${getsOfDelta} of ${getsOfWhole}`)
  await assertSameTree(workspace.holdfs, there, workspace.source)
})

test('names of one file are left to a whole restore', async () => {
  await using workspace = await CommittedWorkspace.open()
  writeFileSync(workspace.path('a'), 'one')
  const first = await workspace.commitNew()
  const there = await workspace.restore(first.root)
  linkSync(workspace.path('a'), workspace.path('b'))
  const second = await workspace.commitNew()
  assert.equal(await bring(workspace, there, { from: first.root, to: second.root }), 'unfit')
  assert.deepEqual(readdirSync(there), ['a'])
})

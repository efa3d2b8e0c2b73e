import assert from 'node:assert/strict'
import { linkSync, lstatSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { withBtrfsImage } from '@holdfast/testkit/btrfs-image'
import { changeRandomTree, makeRandomTree } from '@holdfast/testkit/random-tree'
import { assertSameTree } from '@holdfast/testkit/tree-facts'
import type { GenerationRow } from '../index/generation-index.ts'
import { DurableDirectory } from './durable-directory.ts'
import { forkDirectory } from './fork-directory.ts'
import { KeptDirectory } from './kept-directory.fixture.ts'
import { rememberedOf } from './local-generations.ts'
import { seedFrom } from './rollback-directory.ts'

const SEEDS = process.env.HOLDFAST_LONG === undefined ? [1, 2] : [1, 2, 3, 4, 5, 6, 7, 8]

async function forked(kept: KeptDirectory, path: string): Promise<DurableDirectory> {
  const { config } = await forkDirectory(kept.directory, { generation: await kept.directory.find(), path })
  return await DurableDirectory.open(kept.deps, config.path)
}

for (const seed of SEEDS) {
  test(`a restored tree is known without reading it, and what changes then is found: tree ${seed}`, async () => {
    await using kept = await KeptDirectory.make('live')
    const { holdfs } = kept.deps
    await makeRandomTree(holdfs, kept.path, { seed, names: 150 })
    await kept.commit()
    const path = join(kept.base, 'fork')
    await using fork = await forked(kept, path)
    const known = await rememberedOf(fork)
    assert.equal(known?.generation, (await fork.find()).id)
    assert.equal((await kept.commit(fork)).kind, 'unchanged')
    for (let round = 0; round < 2; round++) {
      await changeRandomTree(holdfs, path, { seed: seed * 100 + round, names: 20, changes: 15 })
      const restored = await kept.restored(await kept.committed(fork), fork)
      await assertSameTree(holdfs, restored, path)
      rmSync(restored, { recursive: true })
    }
  })
}

test('a change under one name of a restored file shows under all of them, and no stranger joins the group', async () => {
  await using kept = await KeptDirectory.make('live')
  for (const directory of ['a', 'b']) mkdirSync(join(kept.path, directory))
  writeFileSync(join(kept.path, 'a', 'one'), 'linked')
  linkSync(join(kept.path, 'a', 'one'), join(kept.path, 'b', 'two'))
  await kept.commit()
  const path = join(kept.base, 'fork')
  await using fork = await forked(kept, path)
  writeFileSync(join(path, 'b', 'two'), 'changed')
  writeFileSync(join(path, 'stranger'), 'stranger')
  linkSync(join(path, 'stranger'), join(path, 'a', 'stranger too'))
  await assertSameTree(kept.deps.holdfs, await kept.restored(await kept.committed(fork), fork), path)
  rmSync(join(path, 'a', 'one'))
  await assertSameTree(kept.deps.holdfs, await kept.restored(await kept.committed(fork), fork), path)
})

test('a new file whose inode has the number of a restored group does not become part of it', async () => {
  await withBtrfsImage(1024 ** 3, async (mount) => {
    await using kept = await KeptDirectory.make('btrfs')
    for (let made = 0; made < 40; made++) writeFileSync(join(kept.path, `filler-${made}`), '')
    writeFileSync(join(kept.path, 'one'), 'linked')
    linkSync(join(kept.path, 'one'), join(kept.path, 'two'))
    const { ino } = lstatSync(join(kept.path, 'one'))
    for (let made = 0; made < 40; made++) rmSync(join(kept.path, `filler-${made}`))
    await kept.commit()
    const path = join(mount, 'fork')
    await using fork = await forked(kept, path)
    assert.notEqual(lstatSync(join(path, 'one')).ino, ino)
    assert.equal((await kept.commit(fork)).kind, 'unchanged')
    for (let made = 0; lastInode(path) < ino; made++) writeFileSync(join(path, `new-${made}`), String(made))
    const twin = readdirSync(path).find((name) => lstatSync(join(path, name)).ino === ino)
    assert.ok(twin, 'a new file has the inode number that the group is known by')
    linkSync(join(path, twin), join(path, 'other name'))
    await assertSameTree(kept.deps.holdfs, await kept.restored(await kept.committed(fork), fork), path)
  })
})

test('a directory that is other than the tree says is not believed', async () => {
  await using kept = await KeptDirectory.make('live')
  for (const name of ['one', 'two']) writeFileSync(join(kept.path, name), name)
  const generation = await kept.committed()
  assert.ok(await seedFrom(kept.directory, generation, await kept.restored(generation)))
  const changes: readonly ((path: string) => void)[] = [
    (path) => writeFileSync(join(path, 'one'), 'longer than before'),
    (path) => utimesSync(join(path, 'one'), 1, 1),
    (path) => rmSync(join(path, 'one')),
    (path) => writeFileSync(join(path, 'three'), 'three'),
    (path) => {
      rmSync(join(path, 'one'))
      mkdirSync(join(path, 'one'))
    },
  ]
  for (const change of changes) {
    const path = await kept.restored(generation)
    change(path)
    assert.equal(await seedFrom(kept.directory, generation, path), undefined)
  }
})

for (const volume of ['live', 'btrfs'] as const) {
  test(`the page log of a database goes on after a fork, without a new base: ${volume}`, async () => {
    await using kept = await KeptDirectory.make(volume)
    fillDatabase(join(kept.path, 'rows.db'), 5000)
    await kept.commit()
    fillDatabase(join(kept.path, 'rows.db'), 3)
    await kept.commit()
    const path = join(kept.base, 'fork')
    await using fork = await forked(kept, path)
    fillDatabase(join(path, 'rows.db'), 3)
    const outcome = await kept.commit(fork)
    assert.ok(outcome.kind === 'committed' && outcome.generation.newBytes < 60_000, JSON.stringify(outcome))
    await assertSameTree(kept.deps.holdfs, await kept.restored(await rowOf(fork), fork), path)
  })
}

function rowOf(directory: DurableDirectory): Promise<GenerationRow> {
  return directory.find()
}

function lastInode(path: string): number {
  return Math.max(...readdirSync(path).map((name) => lstatSync(join(path, name)).ino))
}

function fillDatabase(path: string, rows: number): void {
  using database = new DatabaseSync(path)
  database.exec(
    'PRAGMA journal_mode = wal; CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, filler BLOB)',
  )
  database.exec('BEGIN')
  const insert = database.prepare('INSERT INTO rows (filler) VALUES (randomblob(200))')
  for (let made = 0; made < rows; made++) insert.run()
  database.exec('COMMIT')
}

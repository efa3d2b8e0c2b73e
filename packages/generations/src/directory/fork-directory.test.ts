import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { withBtrfsImage } from '@holdfast/testkit/btrfs-image'
import { makeRandomTree } from '@holdfast/testkit/random-tree'
import { assertSameTree } from '@holdfast/testkit/tree-facts'
import { collectGarbage } from '../maintenance/collect-garbage.ts'
import { DurableDirectory } from './durable-directory.ts'
import { forkDirectory } from './fork-directory.ts'
import { KeptDirectory } from './kept-directory.fixture.ts'

for (const volume of ['live', 'btrfs'] as const) {
  describe(`a fork on a ${volume} volume`, () => {
    test('holds the same tree, uploads one small object, and leaves nothing for its next commit to do', async () => {
      await using kept = await KeptDirectory.make(volume)
      await makeRandomTree(kept.deps.holdfs, kept.path, { seed: 7, names: 120 })
      const point = await kept.committed()
      const putsBefore = kept.puts()
      const path = join(kept.base, 'fork')
      const fork = await forkDirectory(kept.directory, { generation: point, path })
      assert.equal(kept.puts(putsBefore), 1)
      assert.equal(fork.config.volume, volume)
      assert.equal(fork.generation.root, point.root)
      assert.equal(fork.generation.parent, point.id)
      assert.equal(fork.generation.cause, 'fork')
      await assertSameTree(kept.deps.holdfs, path, kept.path)
      await using child = await DurableDirectory.open(kept.deps, path)
      assert.equal((await kept.commit(child)).kind, 'unchanged')
      assert.equal(kept.puts(putsBefore), 1)
    })

    test('of the present state commits it first', async () => {
      await using kept = await KeptDirectory.make(volume)
      writeFileSync(join(kept.path, 'file'), 'one')
      await kept.commit()
      writeFileSync(join(kept.path, 'file'), 'two')
      const fork = await forkDirectory(kept.directory, { path: join(kept.base, 'fork') })
      assert.equal(readFileSync(join(fork.config.path, 'file'), 'utf8'), 'two')
      assert.equal((await kept.directory.find()).root, fork.generation.root)
    })

    test('and its parent never see what happens in the other', async () => {
      await using kept = await KeptDirectory.make(volume)
      for (const name of ['file', 'other']) writeFileSync(join(kept.path, name), 'shared')
      const point = await kept.committed()
      const { config } = await forkDirectory(kept.directory, {
        generation: point,
        path: join(kept.base, 'fork'),
      })
      await using child = await DurableDirectory.open(kept.deps, config.path)
      writeFileSync(join(kept.path, 'file'), 'parent')
      writeFileSync(join(config.path, 'file'), 'child')
      rmSync(join(config.path, 'other'))
      const ofChild = await kept.committed(child)
      const ofParent = await kept.committed()
      assert.equal(readFileSync(join(kept.path, 'file'), 'utf8'), 'parent')
      assert.equal(readFileSync(join(await kept.restored(ofParent), 'other'), 'utf8'), 'shared')
      await assertSameTree(kept.deps.holdfs, await kept.restored(ofChild, child), config.path)
      assert.deepEqual(
        (await child.history(9)).map(({ cause }) => cause),
        ['sync', 'fork'],
      )
    })

    test('keeps what it needs when its parent drops the generation that both began with, and garbage is collected', async () => {
      await using kept = await KeptDirectory.make(volume)
      writeFileSync(join(kept.path, 'file'), 'shared')
      const point = await kept.committed()
      const { config } = await forkDirectory(kept.directory, {
        generation: point,
        path: join(kept.base, 'fork'),
      })
      await using child = await DurableDirectory.open(kept.deps, config.path)
      writeFileSync(join(kept.path, 'file'), 'parent')
      await kept.commit()
      await kept.directory.index.dropGenerations([point.id])
      const { store, index, coding, config: parent } = kept.directory
      const { clock, randomness } = kept.deps
      const collected = await collectGarbage(
        { store, index, coding, clock, randomness },
        { org: parent.org, graceMs: 0 },
      )
      assert.equal(collected.deletedPacks, 0)
      const restored = await kept.restored(await child.find(), child)
      assert.equal(readFileSync(join(restored, 'file'), 'utf8'), 'shared')
      assert.equal((await kept.commit(child)).kind, 'unchanged')
    })

    test('of a fork is a fork', async () => {
      await using kept = await KeptDirectory.make(volume)
      writeFileSync(join(kept.path, 'file'), 'shared')
      const point = await kept.committed()
      const first = await forkDirectory(kept.directory, { generation: point, path: join(kept.base, 'fork') })
      await using child = await DurableDirectory.open(kept.deps, first.config.path)
      const second = await forkDirectory(child, {
        generation: first.generation,
        path: join(kept.base, 'fork2'),
      })
      assert.equal(readFileSync(join(second.config.path, 'file'), 'utf8'), 'shared')
      assert.equal(second.generation.sequence, point.sequence + 2)
    })

    test('into a directory that holds something, or has a history, is refused and changes nothing', async () => {
      await using kept = await KeptDirectory.make(volume)
      writeFileSync(join(kept.path, 'file'), 'one')
      const generation = await kept.committed()
      const path = join(kept.base, 'full')
      mkdirSync(path)
      writeFileSync(join(path, 'file'), 'mine')
      const attempts = [path, kept.path].map((to) => forkDirectory(kept.directory, { generation, path: to }))
      for (const attempt of attempts)
        await assert.rejects(attempt, (error) => isFailure(error, 'not-empty', 'already-exists'))
      assert.equal(readFileSync(join(path, 'file'), 'utf8'), 'mine')
      assert.equal(kept.deps.home.directories().length, 1)
    })
  })
}

describe('a fork across file systems', () => {
  test('is restored from the store where no local snapshot is within reach', async () => {
    await withBtrfsImage(1024 ** 3, async (mount) => {
      await using kept = await KeptDirectory.make('btrfs')
      await makeRandomTree(kept.deps.holdfs, kept.path, { seed: 9, names: 60 })
      const generation = await kept.committed()
      const { config } = await forkDirectory(kept.directory, { generation, path: join(mount, 'fork') })
      await assertSameTree(kept.deps.holdfs, config.path, kept.path)
      await using child = await DurableDirectory.open(kept.deps, config.path)
      assert.equal((await kept.commit(child)).kind, 'unchanged')
    })
  })
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { makeRandomTree } from '@holdfast/testkit/random-tree'
import { assertSameTree } from '@holdfast/testkit/tree-facts'
import { mountAt } from '../volume/mount-table.ts'
import { forgetDirectory, recordCopy } from './forget-directory.ts'
import { KeptDirectory } from './kept-directory.fixture.ts'
import { openBtrfsVolume } from './open-btrfs-volume.ts'
import { makeStaging } from './restore-staging.ts'

describe('forgetting a live directory', () => {
  test('removes what the home knows of it and leaves its files and its history', async () => {
    await using kept = await KeptDirectory.make('live')
    writeFileSync(join(kept.path, 'file'), 'one')
    const generation = await kept.committed()
    const { ino } = statSync(join(kept.path, 'file'))
    assert.equal(await forgetDirectory(kept.directory), 'untouched')
    assert.equal(statSync(join(kept.path, 'file')).ino, ino)
    assertForgotten(kept)
    assert.equal((await kept.directory.index.generation(generation.id)).retained, true)
  })

  test('is refused while another process writes the history', async () => {
    await using kept = await KeptDirectory.make('live')
    using _writer = await kept.directory.openWriter()
    await assert.rejects(forgetDirectory(kept.directory), (error) => isFailure(error, 'lease-held'))
    assert.equal(kept.deps.home.directories().length, 1)
  })
})

describe('forgetting a btrfs volume', () => {
  test('puts its files back as a plain directory, committed or not, and removes the volume', async () => {
    await using kept = await KeptDirectory.make('btrfs')
    await makeRandomTree(kept.deps.holdfs, kept.path, { seed: 7, names: 80 })
    await kept.commit()
    writeFileSync(join(kept.path, 'uncommitted'), 'precious')
    assert.equal(await forgetDirectory(kept.directory), 'put-back')
    assertPutBack(kept)
    assert.equal(readFileSync(join(kept.path, 'uncommitted'), 'utf8'), 'precious')
    await assertSameTree(kept.deps.holdfs, kept.path, await kept.restored(await kept.directory.find()))
  })

  test('is refused while a process works in it, and it stays mounted', async () => {
    await using kept = await KeptDirectory.make('btrfs')
    const user = spawn('sleep', ['60'], { cwd: kept.path, stdio: 'ignore' })
    try {
      await once(user, 'spawn')
      await assert.rejects(forgetDirectory(kept.directory), (error) => isFailure(error, 'lease-held'))
    } finally {
      user.kill('SIGKILL')
      await once(user, 'exit')
    }
    assert.equal(mountAt(kept.path)?.type, 'btrfs')
  })

  test('that fails, or was killed before the copy was there, leaves the volume', async () => {
    await using kept = await KeptDirectory.make('btrfs')
    writeFileSync(join(kept.path, 'file'), 'one')
    await kept.commit()
    const store = join(kept.base, 'store')
    rmSync(store, { recursive: true })
    await assert.rejects(forgetDirectory(kept.directory))
    assert.equal(readFileSync(join(kept.path, 'file'), 'utf8'), 'one')
    assert.equal(kept.deps.home.directories().length, 1)
  })

  test('that was killed with the files half copied begins again', async () => {
    await using kept = await KeptDirectory.make('btrfs')
    writeFileSync(join(kept.path, 'file'), 'one')
    await (await openBtrfsVolume(kept.deps, kept.directory.config)).park()
    const half = makeStaging(kept.path, kept.deps.randomness, 'forgetting')
    recordCopy(kept.directory, half)
    rmSync(half, { recursive: true })
    await forgetDirectory(kept.directory)
    assert.equal(readFileSync(join(kept.path, 'file'), 'utf8'), 'one')
    assertPutBack(kept)
  })

  test('that was killed with the copy in place only removes the rest', async () => {
    await using kept = await KeptDirectory.make('btrfs')
    writeFileSync(join(kept.path, 'file'), 'in the volume')
    await (await openBtrfsVolume(kept.deps, kept.directory.config)).park()
    writeFileSync(join(kept.path, 'file'), 'in the copy, and changed since')
    recordCopy(kept.directory, kept.path)
    await forgetDirectory(kept.directory)
    assert.equal(readFileSync(join(kept.path, 'file'), 'utf8'), 'in the copy, and changed since')
    assertPutBack(kept)
  })

  test('never covers files that were written where it was mounted', async () => {
    await using kept = await KeptDirectory.make('btrfs')
    mkdirSync(join(kept.path, 'd'))
    await (await openBtrfsVolume(kept.deps, kept.directory.config)).park()
    writeFileSync(join(kept.path, 'other'), 'other')
    await assert.rejects(forgetDirectory(kept.directory), (error) => isFailure(error, 'not-empty'))
    assert.deepEqual(readdirSync(kept.path), ['other'])
  })
})

function assertForgotten({ deps, directory }: KeptDirectory): void {
  assert.deepEqual(deps.home.directories(), [])
  assert.equal(existsSync(directory.folder), false)
}

function assertPutBack(kept: KeptDirectory): void {
  assertForgotten(kept)
  assert.equal(mountAt(kept.path), undefined)
  assert.deepEqual(
    readdirSync(dirname(kept.path)).filter((name) => name.startsWith('.')),
    [],
  )
  for (const folder of ['ws', 'snapshots'])
    assert.deepEqual(readdirSync(join(kept.deps.home.path, 'volumes', folder)), [])
}

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { COMPACTION_POLICY } from '../maintenance/compaction-plan.ts'
import { commitDirectory } from './commit-directory.ts'
import { DurableDirectory } from './durable-directory.ts'
import { openVolume } from './open-volume.ts'
import { watchDirectory } from './watch-directory.ts'
import { WatchedDirectory } from './watched-directory.fixture.ts'

test('a commit without a watch is made here, once, and says that it is no cut', async () => {
  await using watched = await WatchedDirectory.make()
  writeFileSync(join(watched.path, 'a'), 'a')
  const request = { path: watched.path, wish: { kind: 'sync' } } as const
  const first = await commitDirectory(watched.deps, request)
  const second = await commitDirectory(watched.deps, request)
  assert.deepEqual([first.kind, first.by, second.kind], ['committed', 'self', 'unchanged'])
  assert.equal(first.generation, second.generation)
  assert.deepEqual(
    (await watched.history()).map(({ consistency, cause }) => [consistency, cause]),
    [['per-database', 'sync']],
  )
})

test('a commit while a watch runs is made by the watch, under its freeze', async () => {
  await using watched = await WatchedDirectory.make()
  await using _watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 60_000,
    command: watched.shell('exec sleep 1000'),
  })
  writeFileSync(join(watched.path, 'a'), 'a')
  const done = await commitDirectory(watched.deps, { path: watched.path, wish: { kind: 'sync' } })
  assert.equal(done.by, 'watcher')
  assert.equal(readFileSync(join(await watched.restore(String(done.sequence)), 'a'), 'utf8'), 'a')
  const wish = { kind: 'checkpoint', message: 'before the upgrade' } as const
  const checkpoint = await commitDirectory(watched.deps, { path: watched.path, wish })
  assert.deepEqual([checkpoint.by, checkpoint.kind], ['watcher', 'committed'])
  const [head] = await watched.history()
  assert.deepEqual(
    [head?.message, head?.cause, head?.consistency],
    ['before the upgrade', 'checkpoint', 'cut'],
  )
})

test('a checkpoint is committed even if nothing has changed', async () => {
  await using watched = await WatchedDirectory.make()
  const wish = { kind: 'checkpoint', message: 'twice' } as const
  const first = await commitDirectory(watched.deps, { path: watched.path, wish })
  const second = await commitDirectory(watched.deps, { path: watched.path, wish })
  assert.notEqual(first.generation, second.generation)
})

test('a commit while another process writes without a watch is refused, after a while', async () => {
  await using watched = await WatchedDirectory.make()
  await using directory = await DurableDirectory.open(watched.deps, watched.path)
  using _writer = await directory.openWriter()
  await assert.rejects(
    commitDirectory(watched.deps, { path: watched.path, wish: { kind: 'sync' } }),
    (error) => isFailure(error, 'lease-held') && error.details.pid === String(process.pid),
  )
})

test('a commit that waits for a short one of another process is made after it', async () => {
  await using watched = await WatchedDirectory.make()
  writeFileSync(join(watched.path, 'a'), 'a')
  await using directory = await DurableDirectory.open(watched.deps, watched.path)
  const writer = await directory.openWriter()
  const committing = commitDirectory(watched.deps, { path: watched.path, wish: { kind: 'sync' } })
  await watched.deps.clock.sleep(60)
  writer[Symbol.dispose]()
  assert.equal((await committing).by, 'self')
})

test('a commit whose cache cannot be saved is acknowledged all the same, and the next one reads everything', async () => {
  await using watched = await WatchedDirectory.make()
  writeFileSync(join(watched.path, 'a'), 'a')
  mkdirSync(join(watched.folder, 'tree-state'))
  const request = { path: watched.path, wish: { kind: 'sync' } } as const
  assert.equal((await commitDirectory(watched.deps, request)).kind, 'committed')
  assert.equal((await commitDirectory(watched.deps, request)).kind, 'unchanged')
})

/** So many changes and commits by one writer. */
async function commitMany(watched: WatchedDirectory, count: number): Promise<void> {
  await using directory = await DurableDirectory.open(watched.deps, watched.path)
  using writer = await directory.openWriter()
  await using volume = await openVolume(directory)
  for (let made = 1; made <= count; made++) {
    writeFileSync(join(watched.path, 'a'), `number ${made}`)
    await using capture = await volume.capture(null)
    await writer.commit(capture.image, { cause: 'periodic', message: '' })
  }
  writer.saveState()
}

test('commits without a watch tidy their history, so that it does not grow with each of them', async () => {
  let isAway = false
  await using watched = await WatchedDirectory.make((operation, key) =>
    isAway && operation === 'put' && key.startsWith('index/') ? { kind: 'fail' } : undefined,
  )
  const request = { path: watched.path, wish: { kind: 'sync' } } as const
  const commit = (made: number) => {
    writeFileSync(join(watched.path, 'a'), String(made))
    return commitDirectory(watched.deps, request)
  }
  const { waitingPacksMax } = COMPACTION_POLICY
  await commitMany(watched, waitingPacksMax - 2)
  assert.equal((await commit(waitingPacksMax - 1)).untidied, null)
  await using directory = await DurableDirectory.open(watched.deps, watched.path)
  const waiting = async () => (await directory.index.chunkIndex(directory.config.workspace)).deltaPacks.length
  assert.equal(await waiting(), waitingPacksMax - 1)
  isAway = true
  const failed = await commit(waitingPacksMax)
  assert.deepEqual([failed.kind, failed.untidied?.code], ['committed', 'store-unavailable'])
  isAway = false
  assert.equal((await commit(waitingPacksMax + 1)).untidied, null)
  assert.equal(await waiting(), 0)
  const restored = await watched.restore()
  assert.equal(readFileSync(join(restored, 'a'), 'utf8'), String(waitingPacksMax + 1))
})

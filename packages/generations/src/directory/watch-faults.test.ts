import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { StoreFault } from '@holdfast/testkit/store-faults'
import { until } from '@holdfast/testkit/until'
import { DurableDirectory } from './durable-directory.ts'
import { watchDirectory } from './watch-directory.ts'
import { isWorkloadFrozen, WatchedDirectory } from './watched-directory.fixture.ts'

const COUNTING = 'i=0; while :; do i=$((i+1)); echo $i > tmp; mv tmp count; sleep 0.01; done'

test('a store that fails for a while loses nothing: the watch says so, tries on, and commits when it heals', async () => {
  let fault: StoreFault | undefined
  await using watched = await WatchedDirectory.make((operation) => (operation === 'put' ? fault : undefined))
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 20,
    command: watched.shell(COUNTING),
  })
  await until('the first', () => watch.status().sequence > 0)
  for (const kind of ['full', 'lose-response'] as const) {
    fault = { kind }
    await until('the failure shows', () => watch.status().lastFailure !== null)
    assert.equal(watch.status().lastFailure?.code, kind === 'full' ? 'store-full' : 'store-unavailable')
    assert.equal(watch.status().pending, true)
    const { sequence } = watch.status()
    const before = Number(watched.read('count'))
    await assert.rejects(watch.sync(), (error) => isFailure(error, 'store-unavailable', 'store-full'))
    await until('it counts on', () => Number(watched.read('count')) > before)
    fault = undefined
    await until('it commits again', () => watch.status().sequence > sequence)
    assert.equal(watch.status().lastFailure, null)
    const restored = await watched.restore()
    assert.ok(Number(readFileSync(join(restored, 'count'), 'utf8')) >= before)
  }
})

test('a sync that meets one failure of the store is answered by the next attempt', async () => {
  let failures = 0
  const plan = (operation: string): StoreFault | undefined =>
    operation === 'put' && failures-- > 0 ? { kind: 'fail' } : undefined
  await using watched = await WatchedDirectory.make(plan)
  await using watch = await watchDirectory(watched.deps, { path: watched.path, everyMs: 60_000 })
  await watch.sync()
  writeFileSync(join(watched.path, 'a'), 'a')
  failures = 1
  assert.equal((await watch.sync()).kind, 'committed')
})

test('a watch whose lease another writer has taken writes no more, and the command runs on until it ends', async () => {
  await using watched = await WatchedDirectory.make()
  const watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 20,
    command: watched.shell(`${COUNTING.replace('while :', 'while [ ! -e enough ]')}; exit 5`),
  })
  await watch.sync()
  {
    await using directory = await DurableDirectory.open(watched.deps, watched.path)
    await directory.index.acquire(directory.config.workspace)
  }
  await until('fenced', () => watch.status().state === 'failed')
  assert.equal(watch.status().lastFailure?.code, 'lease-lost')
  await assert.rejects(watch.sync(), (error) => isFailure(error, 'lease-lost'))
  const generations = (await watched.history()).length
  const before = Number(watched.read('count'))
  await until('it counts on', () => Number(watched.read('count')) > before)
  writeFileSync(join(watched.path, 'enough'), '')
  const end = await watch.ended
  assert.equal(end.command?.code, 5)
  assert.ok(isFailure(end.failure, 'lease-lost'))
  assert.equal((await watched.history()).length, generations)
})

test('a native helper that is killed in the middle of a freeze ends the watch, and the command runs on', async () => {
  await using watched = await WatchedDirectory.make()
  for (let n = 0; n < 1000; n++) writeFileSync(join(watched.path, `file-${n}`), String(n))
  const watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 10,
    command: watched.shell(`${COUNTING.replace('while :', 'while [ ! -e enough ]')}`),
  })
  await watch.sync()
  await until('frozen', () => isWorkloadFrozen(watched.folder), { everyMs: 0 })
  process.kill(watched.deps.holdfs.pid, 'SIGKILL')
  await until('it fails', () => watch.status().state === 'failed')
  assert.equal(watch.status().lastFailure?.code, 'helper-failed')
  const before = Number(watched.read('count'))
  await until('it counts on', () => Number(watched.read('count')) > before)
  writeFileSync(join(watched.path, 'enough'), '')
  assert.ok(isFailure((await watch.ended).failure, 'helper-failed'))
})

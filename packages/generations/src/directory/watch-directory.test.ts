import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFailure } from '@holdfast/base/failure'
import { until } from '@holdfast/testkit/until'
import { watchDirectory } from './watch-directory.ts'
import { WatchedDirectory } from './watched-directory.fixture.ts'
import { loadWorkloadRecord } from './workload-record.ts'

/** Counts in a file, each number by itself in its place at once, as fast as a shell can. */
const COUNTING = 'i=0; while :; do i=$((i+1)); echo $i > tmp; mv tmp count; done'

test('sync during load is durable and holds what was written before the call', async () => {
  await using watched = await WatchedDirectory.make()
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 60_000,
    command: watched.shell(COUNTING),
  })
  for (let round = 0; round < 5; round++) {
    await until('it counts', () => Number(watched.read('count')) > round * 20)
    const before = Number(watched.read('count'))
    const { sequence } = await watch.sync()
    const restored = await watched.restore(String(sequence))
    assert.ok(Number(readFileSync(join(restored, 'count'), 'utf8')) >= before)
  }
  assert.ok((await watched.history()).every(({ consistency }) => consistency === 'cut'))
})

test('those who call sync at once share a commit', async () => {
  await using watched = await WatchedDirectory.make()
  writeFileSync(join(watched.path, 'a'), 'a')
  await using watch = await watchDirectory(watched.deps, { path: watched.path, everyMs: 60_000 })
  await watch.sync()
  writeFileSync(join(watched.path, 'a'), 'b')
  const answers = await Promise.all(Array.from({ length: 50 }, () => watch.sync()))
  assert.ok(new Set(answers.map(({ sequence }) => sequence)).size <= 2)
  assert.equal(watch.status().lagMs < 60_000, true)
})

test('a checkpoint is a generation of its own with its message, also when nothing has changed', async () => {
  await using watched = await WatchedDirectory.make()
  writeFileSync(join(watched.path, 'a'), 'a')
  await using watch = await watchDirectory(watched.deps, { path: watched.path })
  const [first, second] = await Promise.all([watch.checkpoint('one'), watch.checkpoint('two')])
  assert.notEqual(first.generation, second.generation)
  const checkpoints = (await watched.history()).filter(({ cause }) => cause === 'checkpoint')
  assert.deepEqual(checkpoints.map(({ message }) => message).sort(), ['one', 'two'])
  await assert.rejects(watch.checkpoint('x'.repeat(5000)), (error) => isFailure(error, 'invalid-argument'))
})

test('while nothing changes nothing is written, and a workload that sleeps is not even frozen', async () => {
  await using watched = await WatchedDirectory.make()
  writeFileSync(join(watched.path, 'a'), 'a')
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 20,
    command: watched.shell('echo begun > begun; exec sleep 1000'),
  })
  await until('begun', () => watched.read('begun') !== undefined)
  await watch.sync()
  await until('settled', () => !watch.status().pending)
  const before = { puts: watched.puts(), generations: (await watched.history()).length }
  await delay(500)
  assert.deepEqual({ puts: watched.puts(), generations: (await watched.history()).length }, before)
  assert.equal(watch.status().pending, false)
  assert.ok(watch.status().lagMs < 500)
})

test('a workload that runs and writes nothing costs no object', async () => {
  await using watched = await WatchedDirectory.make()
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 20,
    command: watched.shell('while :; do sleep 0.01; done'),
  })
  await watch.sync()
  const before = watched.puts()
  await delay(500)
  assert.equal(watched.puts(), before)
})

test('with a cadence of 100 ms each change becomes a generation without being asked for', async () => {
  await using watched = await WatchedDirectory.make()
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 100,
    command: watched.shell(COUNTING),
  })
  await until('ten generations', () => watch.status().sequence >= 10)
  assert.ok((await watched.history()).every(({ cause }) => cause === 'periodic'))
})

test('what others than the command write is committed too', async () => {
  await using watched = await WatchedDirectory.make()
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 50,
    command: watched.shell('exec sleep 1000'),
  })
  await watch.sync()
  await until('settled', () => !watch.status().pending)
  writeFileSync(join(watched.path, 'outside'), 'written by nobody of the workload')
  await watch.sync()
  assert.ok(existsSync(join(await watched.restore(), 'outside')))
})

test('the end of the command is committed, and its exit code is told', async () => {
  await using watched = await WatchedDirectory.make()
  const command = watched.shell('echo last > last; exit 7')
  const watch = await watchDirectory(watched.deps, { path: watched.path, everyMs: 60_000, command })
  const end = await watch.ended
  assert.deepEqual([end.command, end.failure], [{ code: 7, signal: null }, null])
  assert.equal(readFileSync(join(await watched.restore(), 'last'), 'utf8'), 'last\n')
  assert.deepEqual(loadWorkloadRecord(watched.folder).cgroups, [])
  await assert.rejects(watch.sync(), (error) => isFailure(error, 'not-found'))
})

test('a command that does not exist ends like in a shell, and a bad cadence starts none', async () => {
  await using watched = await WatchedDirectory.make()
  const command = { command: ['/no/such/program'], stdio: 'ignore' as const }
  const watch = await watchDirectory(watched.deps, { path: watched.path, command })
  assert.equal((await watch.ended).command?.code, 127)
  for (const everyMs of [0, Number.NaN, 1e12])
    await assert.rejects(watchDirectory(watched.deps, { path: watched.path, everyMs, command }), (error) =>
      isFailure(error, 'invalid-argument'),
    )
})

test('stop sends the command its signal and commits what it does before it ends', async () => {
  await using watched = await WatchedDirectory.make()
  const watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 60_000,
    command: watched.shell('trap "echo saved > saved; exit 3" TERM; echo > up; while :; do sleep 0.02; done'),
  })
  await until('up', () => watched.read('up') !== undefined)
  watch.stop()
  assert.equal((await watch.ended).command?.code, 3)
  assert.equal(readFileSync(join(await watched.restore(), 'saved'), 'utf8'), 'saved\n')
  assert.equal((await watched.history())[0]?.cause, 'stop')
})

test('a daemon that outlives its command is left running, and the next watch freezes it with its own', async () => {
  await using watched = await WatchedDirectory.make()
  const command = watched.shell(`(${COUNTING}) & exit 0`)
  assert.equal(
    (await (await watchDirectory(watched.deps, { path: watched.path, command })).ended).failure,
    null,
  )
  const before = Number(watched.read('count'))
  await until('it runs on', () => Number(watched.read('count')) > before)
  assert.equal(loadWorkloadRecord(watched.folder).cgroups.length, 1)
  const next = { path: watched.path, everyMs: 60_000, command: watched.shell('sleep 1000') }
  await using watch = await watchDirectory(watched.deps, next)
  assert.equal(loadWorkloadRecord(watched.folder).cgroups.length, 2)
  const { sequence } = await watch.sync()
  assert.ok(Number(readFileSync(join(await watched.restore(String(sequence)), 'count'), 'utf8')) > before)
})

test('a second watch of a directory is refused and names the process that has it', async () => {
  await using watched = await WatchedDirectory.make()
  await using _watch = await watchDirectory(watched.deps, { path: watched.path })
  const script = new URL('./watch-process.fixture.ts', import.meta.url).pathname
  const second = () =>
    execFileSync(process.execPath, [script, watched.home, watched.path, '1000', 'touch', 'ran'], {
      stdio: 'pipe',
      encoding: 'utf8',
    })
  assert.throws(second, (error: { stderr: string }) => {
    assert.match(error.stderr, /lease-held/)
    assert.match(error.stderr, new RegExp(`process ${process.pid} writes`))
    return true
  })
  assert.equal(watched.read('ran'), undefined)
})

test('a directory that is gone is never committed as an empty one', async () => {
  await using watched = await WatchedDirectory.make()
  writeFileSync(join(watched.path, 'a'), 'a')
  const watch = await watchDirectory(watched.deps, { path: watched.path, everyMs: 20 })
  const { sequence } = await watch.sync()
  rmSync(watched.path, { recursive: true })
  await assert.rejects(watch.sync(), (error) => isFailure(error, 'not-found', 'file-unstable'))
  watch.stop()
  const end = await watch.ended
  assert.ok(isFailure(end.failure, 'not-found'))
  assert.equal(end.sequence, sequence)
  assert.equal(readFileSync(join(await watched.restore(), 'a'), 'utf8'), 'a')
})

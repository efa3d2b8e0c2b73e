import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { present } from '@holdfast/base/assert'
import { until } from '@holdfast/testkit/until'
import { callWatcher } from './control-client.ts'
import { watchDirectory } from './watch-directory.ts'
import { isWorkloadFrozen, kill, WatchedDirectory } from './watched-directory.fixture.ts'

const SCRIPT = new URL('./watch-process.fixture.ts', import.meta.url).pathname
const COUNTING = 'i=0; while [ ! -e enough ]; do i=$((i+1)); echo $i > tmp; mv tmp count; done'
/** As many that a capture takes some milliseconds. */
const FILES = 1500
const ROUNDS_MAX = 20

interface WatchProcess {
  readonly child: ChildProcess
  readonly holdfs: number
  /** The last line, which tells how the watch ended. */
  readonly end: Promise<{
    failure: string | null
    command: { code: number | null; signal: string | null } | null
  }>
}

async function startWatch(watched: WatchedDirectory, everyMs: number, script: string): Promise<WatchProcess> {
  const command = [SCRIPT, watched.home, watched.path, String(everyMs), 'sh', '-c', script]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: present(child.stdout, 'stdout') })[Symbol.asyncIterator]()
  const first = JSON.parse((await lines.next()).value ?? '')
  const end = lines.next().then(({ value }) => JSON.parse(value ?? '{}'))
  return { child, holdfs: first.holdfs, end }
}

async function exitOf({ child }: WatchProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

async function assertCounts(watched: WatchedDirectory): Promise<void> {
  const before = Number(watched.read('count'))
  await until('the command runs', () => Number(watched.read('count')) > before)
}

function fill(watched: WatchedDirectory): void {
  for (let n = 0; n < FILES; n++) writeFileSync(join(watched.path, `file-${n}`), String(n))
}

test('kill -9 of the watcher in the middle of a freeze: the command runs on, the last commit is there', async () => {
  await using watched = await WatchedDirectory.make()
  fill(watched)
  const watch = await startWatch(watched, 10, COUNTING)
  await until('generations', async () => (await watched.history()).length >= 3)
  await until('frozen', () => isWorkloadFrozen(watched.folder), { everyMs: 0 })
  watch.child.kill('SIGKILL')
  await assertCounts(watched)
  assert.equal(isWorkloadFrozen(watched.folder), false)
  const [head] = await watched.history()
  writeFileSync(join(watched.path, 'enough'), '')
  rmSync(watched.path, { recursive: true, force: true, maxRetries: 10 })
  const restored = await watched.restore()
  assert.equal(readFileSync(join(restored, `file-${FILES - 1}`), 'utf8'), String(FILES - 1))
  assert.match(readFileSync(join(restored, 'count'), 'utf8'), /^\d+\n$/)
  assert.equal(head?.consistency, 'cut')
})

test('kill -9 of the watcher and its native helper: the next watch thaws what they left frozen', async () => {
  await using watched = await WatchedDirectory.make()
  fill(watched)
  let isLeftFrozen = false
  for (let round = 0; round < ROUNDS_MAX && !isLeftFrozen; round++) {
    const watch = await startWatch(watched, 10, COUNTING)
    await until('a generation', async () => (await watched.history()).length > round)
    await until('frozen', () => isWorkloadFrozen(watched.folder), { everyMs: 0 })
    kill(watch.holdfs, 'SIGKILL')
    watch.child.kill('SIGKILL')
    await exitOf(watch)
    isLeftFrozen = isWorkloadFrozen(watched.folder)
  }
  assert.equal(isLeftFrozen, true)
  await using watch = await watchDirectory(watched.deps, { path: watched.path, everyMs: 60_000 })
  await assertCounts(watched)
  assert.equal((await watch.sync()).kind, 'committed')
})

test('SIGTERM reaches the command, its last words are committed, and its exit code is passed on', async () => {
  await using watched = await WatchedDirectory.make()
  const script = 'trap "echo bye > bye; exit 9" TERM; echo > up; while :; do sleep 0.02; done'
  const watch = await startWatch(watched, 60_000, script)
  await until('up', () => watched.read('up') !== undefined)
  watch.child.kill('SIGTERM')
  assert.deepEqual([(await watch.end).failure, await exitOf(watch)], [null, 9])
  assert.equal(readFileSync(join(await watched.restore(), 'bye'), 'utf8'), 'bye\n')
})

test('a killed watcher leaves a socket file that stands in nobody’s way', async () => {
  await using watched = await WatchedDirectory.make()
  const watch = await startWatch(watched, 60_000, 'exec sleep 1000')
  assert.equal((await callWatcher(watched.folder, { request: 'status' })).state, 'watching')
  watch.child.kill('SIGKILL')
  await exitOf(watch)
  assert.equal(existsSync(join(watched.folder, 'control.sock')), true)
  await assert.rejects(callWatcher(watched.folder, { request: 'status' }), { code: 'not-found' })
  await using _next = await watchDirectory(watched.deps, { path: watched.path })
  assert.equal((await callWatcher(watched.folder, { request: 'status' })).state, 'watching')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { verifyStore } from '@holdfast/generations/maintenance/verify-store'
import { readProcess } from '@holdfast/generations/volume/process-stat'
import { withDurableDirectory } from './durable-home.ts'
import { runOperation } from './operation-process.ts'
import { maintenanceDeps, operate } from './operations.ts'
import { assertVersion, writeVersion } from './tree-versions.ts'
import { TriedHome } from './tried-home.ts'

const STOPPED_MS_MAX = 30_000
/** Dropped from the history: its chunks are found in packs that only GC still has to do with. */
const FORGOTTEN_VERSION = 2

async function untilStopped(pid: number): Promise<void> {
  const deadline = performance.now() + STOPPED_MS_MAX
  while (readProcess(pid)?.state !== 'T') {
    assert(performance.now() < deadline && readProcess(pid) !== undefined, 'the writer did not stop')
    await delay(5)
  }
}

test('a writer that is stopped between upload and append until GC has deleted what it relies on uploads again', async () => {
  using tried = await TriedHome.make('collect')
  tried.reset()
  writeVersion(tried.home.directory, FORGOTTEN_VERSION)
  const { home, target } = tried
  const started = Promise.withResolvers<number>()
  const boundary = { step: { name: 'index.append', nth: 1 }, when: 'before', signal: 'SIGSTOP' } as const
  const ended = runOperation({ operation: 'commit', home, target, boundary }, started.resolve)
  const pid = await started.promise
  try {
    await untilStopped(pid)
    await withDurableDirectory(home, async (durable) => {
      const before = (await durable.index.packs(durable.config.org, 'deleted')).length
      await operate(durable, 'collect', target)
      const deleted = (await durable.index.packs(durable.config.org, 'deleted')).length - before
      assert.ok(deleted > 1, 'GC deleted nothing')
    })
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  const steps = await ended
  assert.ok(steps !== 'killed')
  const count = (name: string) => steps.filter((step) => step.name === name).length
  assert.deepEqual([count('index.append'), count('store.put packs')], [2, 2])
  await withDurableDirectory(home, async (durable) => {
    await operate(durable, 'restore', target)
    assertVersion(target, FORGOTTEN_VERSION)
    const { damaged } = await verifyStore(maintenanceDeps(durable), { org: durable.config.org })
    assert.deepEqual(damaged, [])
  })
})

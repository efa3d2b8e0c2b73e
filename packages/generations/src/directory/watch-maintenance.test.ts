import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { StoreFault } from '@holdfast/testkit/store-faults'
import { until } from '@holdfast/testkit/until'
import { COMPACTION_POLICY } from '../maintenance/compaction-plan.ts'
import { retainedGenerations } from '../maintenance/mark-workspace.ts'
import { verifyStore } from '../maintenance/verify-store.ts'
import { callWatcher } from './control-client.ts'
import { DurableDirectory } from './durable-directory.ts'
import type { MaintenancePolicy } from './maintenance-policy.ts'
import { watchDirectory } from './watch-directory.ts'
import { WatchedDirectory } from './watched-directory.fixture.ts'

const PROCESS = new URL('./watch-process.fixture.ts', import.meta.url).pathname
/** Counts on from where it was, until there is an end of it. */
const COUNTING =
  'i=$(cat a || echo 0); while [ ! -e enough ]; do i=$((i+1)); echo $i > a.tmp; mv a.tmp a; sleep 0.01; done'
const NEVER_MS = 1e9
/** The others are verified chunk by chunk. */
const RESTORES_MAX = 8
const WAITING_PACKS = 8

/** All that takes minutes and hours, in milliseconds. */
const HASTY: MaintenancePolicy = {
  compaction: {
    ...COMPACTION_POLICY,
    waitingPacksMax: WAITING_PACKS,
    smallPacksMin: 4,
    waitingMsMax: NEVER_MS,
  },
  retention: [{ fromMs: 1000, everyMs: 500 }],
  collectEveryMs: 100,
  graceMs: 400,
  drillEveryMs: NEVER_MS,
  drillFirstMs: NEVER_MS,
}

/** Restores generations from the newest to the oldest, and says what is in `a` of each. */
async function countsOf(watched: WatchedDirectory): Promise<readonly number[]> {
  await using directory = await DurableDirectory.open(watched.deps, watched.path)
  const counts: number[] = []
  const retained = await retainedGenerations(directory.index, directory.config.workspace)
  const apart = Math.ceil(retained.length / RESTORES_MAX)
  for (const [number, generation] of retained.entries()) {
    if (number % apart > 0 && number < retained.length - 1) continue
    const path = join(watched.base, 'restored')
    await directory.restore({ generation, path })
    counts.push(existsSync(join(path, 'a')) ? Number(readFileSync(join(path, 'a'), 'utf8')) : 0)
    rmSync(path, { recursive: true })
  }
  return counts
}

interface Kept {
  readonly waitingPacks: number
  readonly livePacks: number
  readonly generations: number
}

async function keptBy(watched: WatchedDirectory): Promise<Kept> {
  await using directory = await DurableDirectory.open(watched.deps, watched.path)
  const { org, workspace } = directory.config
  const { damaged } = await verifyStore(directory, { org })
  // One that GC was killed over, after its object and before its row, hurts none.
  assert.deepEqual(
    damaged.filter(({ generations }) => generations.length > 0),
    [],
  )
  return {
    waitingPacks: (await directory.index.chunkIndex(workspace)).deltaPacks.length,
    livePacks: (await directory.index.packs(org, 'live')).length,
    generations: (await retainedGenerations(directory.index, workspace)).length,
  }
}

function assertFalling(counts: readonly number[]): void {
  assert.ok(counts.length > 1)
  assert.deepEqual(
    counts,
    counts.toSorted((a, b) => b - a),
  )
}

test('a watch that commits ten times a second keeps its history small, and every generation of it restores', async () => {
  await using watched = await WatchedDirectory.make()
  const watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 50,
    maintenance: HASTY,
    command: watched.shell(COUNTING),
  })
  const compactedAt = new Set<number | null>()
  const collectedAt = new Set<number | null>()
  await until('several compactions and collections', () => {
    const { maintenance } = watch.status()
    assert.equal(maintenance.lastFailure?.message ?? null, null)
    compactedAt.add(maintenance.lastCompactedAt)
    collectedAt.add(maintenance.lastCollectedAt)
    return compactedAt.size > 4 && collectedAt.size > 3
  })
  writeFileSync(join(watched.path, 'enough'), '')
  const end = await watch.ended
  assert.equal(end.failure, null)
  const kept = await keptBy(watched)
  assert.ok(end.sequence > 2 * WAITING_PACKS, `${end.sequence} generations`)
  assert.ok(kept.waitingPacks <= 3 * WAITING_PACKS, `${kept.waitingPacks} of ${end.sequence} packs wait`)
  assert.ok(kept.generations <= end.sequence, `${kept.generations} of ${end.sequence} are kept`)
  assert.ok(kept.livePacks < end.sequence, `${kept.livePacks} packs after ${end.sequence} commits`)
  assertFalling(await countsOf(watched))
})

test('a watch that is killed with -9 at any moment of this leaves a history that restores, and the next goes on', async () => {
  await using watched = await WatchedDirectory.make()
  const settings = JSON.stringify({ everyMs: 50, maintenance: HASTY })
  for (const runMs of [300, 900]) {
    const args = [PROCESS, watched.home, watched.path, settings, 'sh', '-c', COUNTING]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    const { sequence } = await callWatcher(watched.folder, { request: 'sync' })
    await until('it has compacted', async () => {
      const status = await callWatcher(watched.folder, { request: 'status' })
      return status.maintenance.lastCompactedAt !== null && status.sequence > sequence + WAITING_PACKS
    })
    await new Promise((resolve) => setTimeout(resolve, runMs))
    child.kill('SIGKILL')
    await once(child, 'exit')
    writeFileSync(join(watched.path, 'enough'), '')
    await keptBy(watched)
    assertFalling(await countsOf(watched))
    rmSync(join(watched.path, 'enough'))
  }
})

test('commits and syncs go on while a compaction is under way, and find its result', async () => {
  let fault: StoreFault | undefined
  await using watched = await WatchedDirectory.make((operation, key) =>
    operation === 'put' && key.startsWith('index/') ? fault : undefined,
  )
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 60_000,
    maintenance: { ...HASTY, retention: [] },
  })
  const syncWith = async (count: number) => {
    writeFileSync(join(watched.path, 'a'), String(count))
    return await watch.sync()
  }
  fault = { kind: 'slow', ms: 1500 }
  for (let count = 1; count <= WAITING_PACKS + 4; count++) await syncWith(count)
  assert.equal(watch.status().maintenance.lastCompactedAt, null)
  await until('compacted', () => watch.status().maintenance.lastCompactedAt !== null)
  const { sequence } = await syncWith(WAITING_PACKS + 5)
  await using directory = await DurableDirectory.open(watched.deps, watched.path)
  const { deltaPacks, baseObjects } = await directory.index.chunkIndex(directory.config.workspace)
  assert.ok(deltaPacks.length <= 6 && baseObjects.length === 1)
  assert.equal(sequence, WAITING_PACKS + 5)
  const counts = await countsOf(watched)
  assert.deepEqual([counts[0], counts.at(-1)], [sequence, 1])
  assertFalling(counts)
})

test('what goes wrong beside the commits is shown, fails no sync, and is tried again', async () => {
  let isAway = true
  await using watched = await WatchedDirectory.make((operation, key) =>
    isAway && operation === 'put' && key.startsWith('index/') ? { kind: 'fail' } : undefined,
  )
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 60_000,
    maintenance: HASTY,
  })
  for (let count = 1; count <= WAITING_PACKS + 2; count++) {
    writeFileSync(join(watched.path, 'a'), String(count))
    await watch.sync()
  }
  await until('the failure shows', () => watch.status().maintenance.lastFailure !== null)
  const { maintenance, lastFailure, state } = watch.status()
  assert.deepEqual([lastFailure, state], [null, 'watching'])
  assert.equal(maintenance.lastFailure?.code, 'store-unavailable')
  isAway = false
  await until('it has healed', () => watch.status().maintenance.lastCompactedAt !== null)
  assert.equal(watch.status().maintenance.lastFailure, null)
})

test('the newest generation is drilled and marked as verified, and its scratch directory goes', async () => {
  await using watched = await WatchedDirectory.make()
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    maintenance: { ...HASTY, drillFirstMs: 0 },
  })
  writeFileSync(join(watched.path, 'a'), '1')
  await watch.sync()
  await until('drilled', () => watch.status().maintenance.lastDrill !== null)
  const { lastDrill } = watch.status().maintenance
  assert.equal(lastDrill?.problem, null)
  await using directory = await DurableDirectory.open(watched.deps, watched.path)
  const drilled = await directory.index.generation(lastDrill.generation)
  assert.ok(drilled.verifiedAt !== null)
  assert.ok(!readdirSync(watched.folder).includes('drills'))
})

test('a drill that finds damage says so, and the watch goes on', async () => {
  let isDamaged = false
  await using watched = await WatchedDirectory.make((operation) =>
    operation === 'get' && isDamaged ? { kind: 'flip-bit', bit: 77 } : undefined,
  )
  writeFileSync(join(watched.path, 'a'), 'the bytes of a '.repeat(100))
  isDamaged = true
  await using watch = await watchDirectory(watched.deps, {
    path: watched.path,
    everyMs: 60_000,
    maintenance: { ...HASTY, drillFirstMs: 0 },
  })
  await watch.sync()
  await until('drilled', () => watch.status().maintenance.lastDrill !== null)
  assert.match(watch.status().maintenance.lastDrill?.problem ?? '', /corrupt/)
  writeFileSync(join(watched.path, 'b'), 'more')
  assert.equal((await watch.sync()).kind, 'committed')
})

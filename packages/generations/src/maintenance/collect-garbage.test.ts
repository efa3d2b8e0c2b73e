import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { FaultyObjectStore } from '@holdfast/testkit/faulty-object-store'
import { portsWith } from '@holdfast/testkit/observed-ports'
import { packKey } from '../format/names.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { collectGarbage } from './collect-garbage.ts'
import { compactWorkspace } from './compact-workspace.ts'
import { assertRestorable, hastyClock, ORG, World, type WorldWorkspace } from './world.fixture.ts'

const DAY_MS = 24 * 60 * 60_000

/** A workspace whose first generation is dropped and held the only use of a large file. */
async function withGarbage(
  world: World,
): Promise<{ workspace: WorldWorkspace; garbage: string; bytes: string }> {
  const workspace = await world.workspace('ws-1')
  const bytes = 'bytes that nobody needs any more '.repeat(2000)
  workspace.write('kept', 'kept')
  const kept = await workspace.commit()
  workspace.write('dropped', bytes)
  const dropped = await workspace.commit()
  workspace.remove('dropped')
  await workspace.commit()
  await world.index.dropGenerations([dropped])
  const garbage = (await world.index.generation(dropped)).recordPack
  assert.ok(workspace.model.delete(dropped))
  assert.ok(workspace.model.has(kept))
  return { workspace, garbage, bytes }
}

/** GC that does something before or after one of its steps. */
function collectWith(world: World, at: Parameters<typeof portsWith>[1], run: () => Promise<unknown>) {
  return collectGarbage(portsWith(world.deps, at, run), { org: ORG })
}

const MARKED = { when: 'before', step: 'index.condemnPacks' } as const
const CONDEMNED = { when: 'after', step: 'index.condemnPacks' } as const

test('a pack that only dropped generations need is deleted, and the others stay', async () => {
  await using world = await World.make()
  const { workspace, garbage } = await withGarbage(world)
  const { condemned, deletedPacks, reprieved, doubtful } = await collectGarbage(world.deps, { org: ORG })
  assert.deepEqual(
    { condemned, deletedPacks, reprieved, doubtful },
    { condemned: 1, deletedPacks: 1, reprieved: [], doubtful: [] },
  )
  assert.equal(await world.store.head(packKey(garbage)), undefined)
  assert.deepEqual(
    (await world.index.packs(ORG, 'deleted')).map((pack) => pack.name),
    [garbage],
  )
  await assertRestorable(world, workspace.model)
  assert.equal((await collectGarbage(world.deps, { org: ORG })).condemned, 0)
})

test('nothing is deleted before the grace has passed', async () => {
  const waits: number[] = []
  let there = 0
  const clock = {
    ...hastyClock,
    sleep: async (ms: number) => {
      waits.push(ms)
      for await (const _ of world.store.list('packs/')) there += 1
    },
  }
  await using world = await World.make({ clock })
  await withGarbage(world)
  await collectGarbage(world.deps, { org: ORG, graceMs: 1234 })
  assert.deepEqual([waits, there], [[1234], 3])
})

test('a generation of a fork keeps its chunks when its source has dropped them', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  workspace.write('a', 'a'.repeat(5000))
  const point = await workspace.commit()
  const fork = await world.workspace('fork', point)
  const point2 = await world.index.generation(point)
  workspace.write('a', 'b'.repeat(5000))
  await workspace.commit()
  await collectGarbage(world.deps, { org: ORG })
  assert.deepEqual(await world.restored(point2), workspace.model.get(point))
  fork.write('own', 'of the fork')
  await fork.commit()
  await world.index.dropGenerations([point])
  await compactWorkspace(world.deps, { lease: workspace.lease, always: true })
  await collectGarbage(world.deps, { org: ORG })
  await assertRestorable(world, fork.model)
  await assertRestorable(world, workspace.model)
})

test('a pack that a commit takes up between mark and condemnation is live again', async () => {
  await using world = await World.make()
  const { workspace, garbage, bytes } = await withGarbage(world)
  const result = await collectWith(world, MARKED, async () => {
    workspace.write('again', bytes)
    await workspace.commit()
  })
  assert.deepEqual(result.reprieved, [garbage])
  assert.ok((await world.index.packs(ORG, 'live')).some((pack) => pack.name === garbage))
  await assertRestorable(world, workspace.model)
})

test('a writer relies on no condemned pack: it uploads again', async () => {
  await using world = await World.make()
  const { workspace, bytes } = await withGarbage(world)
  const result = await collectWith(world, CONDEMNED, async () => {
    workspace.write('again', bytes)
    await workspace.commit()
  })
  assert.equal(result.deletedPacks, 1)
  await assertRestorable(world, workspace.model)
})

test('a writer that stalls past the grace is told that GC has moved on, and succeeds when it begins again', async () => {
  await using world = await World.make()
  const { workspace, bytes } = await withGarbage(world)
  workspace.write('again', bytes)
  const image = {
    ...workspace.image,
    release: async () => void (await collectGarbage(world.deps, { org: ORG })),
  }
  const stalled = workspace.committer.commit(image, { cause: 'sync', message: '' })
  await assert.rejects(stalled, (error) => isFailure(error, 'gc-expired'))
  await workspace.commit()
  await assertRestorable(world, workspace.model)
})

test('what was prepared before GC and relied on a deleted pack is uploaded again', async () => {
  await using world = await World.make()
  const { workspace, bytes } = await withGarbage(world)
  workspace.write('again', bytes)
  workspace.write('new', Buffer.from(Array.from({ length: 2 << 20 }, (_, at) => (at * at) % 251)))
  await workspace.committer.prepare(workspace.image)
  await collectGarbage(world.deps, { org: ORG })
  workspace.write('more', 'more')
  await assert.rejects(workspace.commit(), (error) => isFailure(error, 'gc-expired'))
  await workspace.commit()
  await collectGarbage(world.deps, { org: ORG })
  await assertRestorable(world, workspace.model)
})

test('a chunk that cannot be read stops GC before it condemns anything', async () => {
  let damaged = ''
  const store = new FaultyObjectStore(new MemoryObjectStore(systemClock), (operation, key) =>
    operation === 'get' && key === damaged ? { kind: 'flip-bit', bit: 100 } : undefined,
  )
  await using world = await World.make({ store })
  const { workspace } = await withGarbage(world)
  damaged = packKey((await world.index.generation([...workspace.model.keys()][0] ?? '')).recordPack)
  await assert.rejects(
    collectGarbage(world.deps, { org: ORG }),
    (error) => isFailure(error) && !error.retryable,
  )
  assert.equal((await world.index.packs(ORG, 'condemned')).length, 0)
  assert.equal(await world.index.gcClock(ORG), 0)
})

test('a condemned pack whose own footer cannot be read stays', async () => {
  let damaged = ''
  const store = new FaultyObjectStore(new MemoryObjectStore(systemClock), (operation, key) =>
    operation === 'get' && key === damaged ? { kind: 'truncate', bytes: 50 } : undefined,
  )
  await using world = await World.make({ store })
  const { garbage } = await withGarbage(world)
  const result = await collectWith(world, CONDEMNED, async () => {
    damaged = packKey(garbage)
  })
  assert.deepEqual([result.deletedPacks, result.doubtful], [0, [garbage]])
  assert.ok(await store.head(damaged))
  damaged = ''
  assert.equal((await collectGarbage(world.deps, { org: ORG })).deletedPacks, 1)
})

test('a condemned pack is kept while the pack that should hold its chunks is missing', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  for (let made = 0; made < 20; made++) {
    workspace.write('f', `content ${made}`)
    await workspace.commit()
  }
  await compactWorkspace(world.deps, { lease: workspace.lease, always: true })
  const old = (await world.index.packs(ORG, 'live')).length
  const merged = new Set<string>()
  const result = await collectWith(world, { when: 'before', step: 'store.head packs' }, async () => {
    for (const { name } of await world.index.packs(ORG, 'live')) merged.add(name)
    for (const name of merged) await world.store.delete(packKey(name))
  })
  assert.equal(result.deletedPacks, 0)
  assert.equal(result.doubtful.length, old - merged.size)
})

test('an orphan is swept when it is a day old by the clock of the store, and no younger one', async () => {
  let storeMs = 1_700_000_000_000
  const store = new MemoryObjectStore({ ...systemClock, wallMs: () => storeMs })
  await using world = await World.make({ store })
  const { workspace } = await withGarbage(world)
  const old = `packs/${ORG}/ws-1/9/${'a'.repeat(32)}`
  const young = `packs/${ORG}/ws-1/9/${'b'.repeat(32)}`
  const foreign = `packs/org-b/ws-1/9/${'a'.repeat(32)}`
  await store.put(old, [Buffer.from('left over')])
  await store.put(foreign, [Buffer.from('of another org')])
  storeMs += DAY_MS + 1
  await store.put(young, [Buffer.from('perhaps on its way')])
  const clock = await world.index.gcClock(ORG)
  assert.equal((await collectGarbage(world.deps, { org: ORG, sweepOrphans: true })).deletedOrphans, 1)
  assert.ok((await world.index.gcClock(ORG)) > clock)
  assert.deepEqual(
    [await store.head(old), await store.head(young), await store.head(foreign)].map(
      (found) => found !== undefined,
    ),
    [false, true, true],
  )
  await assertRestorable(world, workspace.model)
})

test('an upload that takes effect after its pack was deleted is swept as an orphan', async () => {
  let storeMs = 1_700_000_000_000
  const store = new MemoryObjectStore({ ...systemClock, wallMs: () => storeMs })
  await using world = await World.make({ store })
  const { garbage } = await withGarbage(world)
  const bytes = await store.get(packKey(garbage))
  await collectGarbage(world.deps, { org: ORG })
  await store.put(packKey(garbage), [bytes])
  storeMs += DAY_MS + 1
  assert.equal((await collectGarbage(world.deps, { org: ORG, sweepOrphans: true })).deletedOrphans, 1)
})

test('a run that ends at any step is taken up by the next one', async () => {
  for (const at of [
    MARKED,
    CONDEMNED,
    { when: 'after', step: 'index.advanceBoundary' },
    { when: 'before', step: 'store.delete packs' },
    { when: 'after', step: 'store.delete packs' },
    { when: 'after', step: 'index.forgetPacks' },
  ] as const) {
    await using world = await World.make()
    const { workspace, garbage } = await withGarbage(world)
    const stop = new Error('the process ends')
    await assert.rejects(
      collectWith(world, at, async () => {
        throw stop
      }),
      (error) => error === stop,
    )
    await collectGarbage(world.deps, { org: ORG })
    assert.equal(await world.store.head(packKey(garbage)), undefined)
    assert.deepEqual((await world.index.packs(ORG, 'condemned')).length, 0)
    await assertRestorable(world, workspace.model)
  }
})

test('two runs at once delete what one would, and no more', async () => {
  await using world = await World.make()
  const { workspace } = await withGarbage(world)
  const results = await Promise.all([1, 2].map(() => collectGarbage(world.deps, { org: ORG })))
  assert.ok(results.some((result) => result.condemned === 1))
  assert.equal((await world.index.packs(ORG, 'deleted')).length, 1)
  await assertRestorable(world, workspace.model)
})

test('a writer whose prepared pack was swept as an orphan is told so, and uploads it again', async () => {
  let storeMs = 1_700_000_000_000
  const store = new MemoryObjectStore({ ...systemClock, wallMs: () => storeMs })
  await using world = await World.make({ store })
  const workspace = await world.workspace('ws-1')
  workspace.write('large', Buffer.from(Array.from({ length: 2 << 20 }, (_, at) => (at * at) % 251)))
  workspace.write('noise', randomFillSync(Buffer.alloc(2 << 20)))
  assert.equal(await workspace.committer.prepare(workspace.image), 'stored')
  storeMs += DAY_MS + 1
  assert.ok((await collectGarbage(world.deps, { org: ORG, sweepOrphans: true })).deletedOrphans > 0)
  await assert.rejects(workspace.commit(), (error) => isFailure(error, 'gc-expired'))
  await workspace.commit()
  await assertRestorable(world, workspace.model)
})

test('a compaction that stalls past the grace is told that GC has moved on, and succeeds when it begins again', async () => {
  await using world = await World.make()
  const { workspace } = await withGarbage(world)
  let swept = 0
  const deps = portsWith(world.deps, { when: 'before', step: 'index.replaceIndex' }, async () => {
    swept += (await collectGarbage(world.deps, { org: ORG })).deletedIndexObjects
  })
  const stalled = compactWorkspace(deps, { lease: workspace.lease, always: true })
  await assert.rejects(stalled, (error) => isFailure(error, 'gc-expired'))
  assert.equal(swept, 1)
  await compactWorkspace(world.deps, { lease: workspace.lease, always: true })
  await collectGarbage(world.deps, { org: ORG })
  await assertRestorable(world, workspace.model)
})

test('without waiting garbage is condemned only, and a run after the grace deletes it at once', async () => {
  let nowMs = 1_700_000_000_000
  const sleep = async () => assert.fail('nothing is waited for')
  const clock = { ...systemClock, wallMs: () => nowMs, sleep }
  await using world = await World.make({ clock })
  const { workspace, garbage } = await withGarbage(world)
  const collect = () => collectGarbage(world.deps, { org: ORG, graceMs: 1000, wait: false })
  assert.deepEqual([(await collect()).condemned, (await collect()).deletedPacks], [1, 0])
  nowMs += 1001
  assert.equal((await collect()).deletedPacks, 1)
  assert.equal(await world.store.head(packKey(garbage)), undefined)
  await assertRestorable(world, workspace.model)
})

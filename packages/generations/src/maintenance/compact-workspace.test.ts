import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { FaultyObjectStore } from '@holdfast/testkit/faulty-object-store'
import { portsWith } from '@holdfast/testkit/observed-ports'
import { chunkIdOf } from '../format/chunk-id.ts'
import { decodeGenerationRecord } from '../format/generation-record.ts'
import { packKey } from '../format/names.ts'
import { readPackEnd } from '../read/pack-reader.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { collectGarbage } from './collect-garbage.ts'
import { type CompactionOutcome, compactWorkspace } from './compact-workspace.ts'
import { COMPACTION_POLICY } from './compaction-plan.ts'
import { openReadable } from './mark-workspace.ts'
import { readRecord } from './read-record.ts'
import { assertRestorable, ORG, World, type WorldWorkspace } from './world.fixture.ts'

const WHERE = { org: ORG, workspace: 'ws-1' }

async function commitMany(workspace: WorldWorkspace, count: number): Promise<void> {
  for (let made = 0; made < count; made++) {
    workspace.write(`d${made % 5}/f${made % 7}`, `content ${made} `.repeat(made + 1))
    await workspace.commit()
  }
}

function compact(world: World, workspace: WorldWorkspace, always = true): Promise<CompactionOutcome> {
  return compactWorkspace(world.deps, { lease: workspace.lease, always })
}

test('few young packs are left alone, many are merged into few, and every generation stays as it was', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 3)
  assert.deepEqual(await compact(world, workspace, false), { kind: 'nothing' })
  await commitMany(workspace, COMPACTION_POLICY.waitingPacksMax - 3)
  const outcome = await compact(world, workspace, false)
  assert.ok(outcome.kind === 'compacted')
  assert.equal(outcome.packsRead, COMPACTION_POLICY.waitingPacksMax)
  assert.equal(outcome.packsWritten, 3)
  const { baseObjects, deltaPacks } = await world.index.chunkIndex('ws-1')
  assert.deepEqual([baseObjects.length, deltaPacks.length], [1, 0])
  await assertRestorable(world, workspace.model)
  await collectGarbage(world.deps, { org: ORG })
  assert.equal((await world.index.packs(ORG, 'live')).length, 3)
  await assertRestorable(world, workspace.model)
})

test('old packs are merged even if they are few', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 2)
  const later = {
    ...world.deps,
    clock: { ...world.deps.clock, wallMs: () => systemClock.wallMs() + 3e5 + 1e3 },
  }
  assert.equal((await compactWorkspace(later, { lease: workspace.lease })).kind, 'compacted')
  assert.equal((await compactWorkspace(later, { lease: workspace.lease })).kind, 'nothing')
})

test('the commit after a compaction knows the merged index and names it in its record', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  workspace.write('big', 'the same bytes '.repeat(1000))
  await commitMany(workspace, 20)
  await compact(world, workspace)
  const merged = await world.index.chunkIndex('ws-1')
  workspace.write('big-too', 'the same bytes '.repeat(1000))
  const id = await workspace.commit()
  const row = await world.index.generation(id)
  const { deltaPacks } = await world.index.chunkIndex('ws-1')
  const [added] = deltaPacks
  assert.ok(added && deltaPacks.length === 1)
  const { record, table } = await readPackEnd(world.deps, added)
  assert.ok(record)
  assert.deepEqual(decodeGenerationRecord(record).index, merged)
  assert.equal(table.find(chunkIdOf(Buffer.from('the same bytes '.repeat(1000)))), undefined)
  assert.deepEqual(await world.restored(row), workspace.model.get(id))
})

test('a commit while a compaction runs is not lost, and the next compaction takes it up', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 20)
  let between = ''
  const deps = portsWith(world.deps, { when: 'before', step: 'store.put index' }, async () => {
    workspace.write('between', 'written while compaction ran')
    between = await workspace.commit()
  })
  await compactWorkspace(deps, { lease: workspace.lease, always: true })
  const { deltaPacks } = await world.index.chunkIndex('ws-1')
  assert.deepEqual(
    deltaPacks.map((pack) => pack.name),
    [(await world.index.generation(between)).recordPack],
  )
  await assertRestorable(world, workspace.model)
  await compact(world, workspace)
  assert.equal((await world.index.chunkIndex('ws-1')).deltaPacks.length, 0)
  await assertRestorable(world, workspace.model)
})

test('a chunk that a commit takes up again while a compaction leaves it behind is still found', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  const forgotten = 'bytes that come back '.repeat(500)
  workspace.write('kept', 'x')
  workspace.write('gone', forgotten)
  const first = await workspace.commit()
  workspace.remove('gone')
  await commitMany(workspace, 20)
  await world.index.dropGenerations([first])
  const deps = portsWith(world.deps, { when: 'before', step: 'index.replaceIndex' }, async () => {
    workspace.write('back', forgotten)
    await workspace.commit()
  })
  await compactWorkspace(deps, { lease: workspace.lease, always: true })
  await collectGarbage(world.deps, { org: ORG })
  await assertRestorable(world, workspace.model)
  await compact(world, workspace)
  await collectGarbage(world.deps, { org: ORG })
  await assertRestorable(world, workspace.model)
})

test('records of retained generations move with the chunks and stay readable', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 30)
  const ids = [...workspace.model.keys()]
  await world.index.dropGenerations(ids.slice(0, 10))
  for (let round = 0; round < 2; round++) {
    await compact(world, workspace)
    await collectGarbage(world.deps, { org: ORG })
    const chunks = await openReadable(world.deps, WHERE)
    for (const id of ids.slice(10)) {
      const record = await readRecord(world.deps, chunks, await world.index.generation(id))
      assert.equal(decodeGenerationRecord(record).id, id)
    }
    await commitMany(workspace, 20)
  }
})

test('a sealed store is compacted and read with its key', async () => {
  await using world = await World.make({ sealKey: Buffer.alloc(32, 7) })
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 20)
  assert.equal((await compact(world, workspace)).kind, 'compacted')
  await collectGarbage(world.deps, { org: ORG })
  await assertRestorable(world, workspace.model)
})

test('under a lease that was lost, or after an index that moved on, a compaction changes nothing', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 20)
  const before = await world.index.chunkIndex('ws-1')
  const rival = await world.workspace('ws-1')
  await assert.rejects(compact(world, workspace), (error) => isFailure(error, 'lease-lost'))
  assert.deepEqual(await world.index.chunkIndex('ws-1'), before)
  const deps = portsWith(world.deps, { when: 'before', step: 'index.replaceIndex' }, () =>
    compact(world, rival),
  )
  const late = compactWorkspace(deps, { lease: rival.lease, always: true })
  await assert.rejects(late, (error) => isFailure(error, 'head-moved'))
  await assertRestorable(world, workspace.model)
})

test('a compaction that the store fails changes nothing, and the next one succeeds', async () => {
  let broken = false
  const inner = new MemoryObjectStore(systemClock)
  const store = new FaultyObjectStore(inner, (operation, key) =>
    broken && operation === 'put' && key.startsWith('index/') ? { kind: 'lose-response' } : undefined,
  )
  await using world = await World.make({ store })
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 20)
  const before = await world.index.chunkIndex('ws-1')
  broken = true
  await assert.rejects(compact(world, workspace), (error) => isFailure(error, 'store-unavailable'))
  assert.deepEqual(await world.index.chunkIndex('ws-1'), before)
  broken = false
  await compact(world, workspace)
  await collectGarbage(world.deps, { org: ORG })
  await assertRestorable(world, workspace.model)
  let index = 0
  for await (const _ of store.list(`index/${ORG}/`)) index += 1
  assert.equal(index, 1)
})

test('a damaged pack is not merged into a new one', async () => {
  const inner = new MemoryObjectStore(systemClock)
  let damaged = ''
  const store = new FaultyObjectStore(inner, (operation, key) =>
    operation === 'get' && key === damaged ? { kind: 'flip-bit', bit: 200 } : undefined,
  )
  await using world = await World.make({ store })
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 20)
  damaged = packKey((await world.index.chunkIndex('ws-1')).deltaPacks[5]?.name ?? '')
  await assert.rejects(compact(world, workspace), (error) =>
    isFailure(error, 'object-corrupt', 'chunk-corrupt'),
  )
})

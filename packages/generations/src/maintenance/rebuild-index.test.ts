import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { GenerationIndex, GenerationRow } from '../index/generation-index.ts'
import { MemoryGenerationIndex } from '../index/memory-generation-index.ts'
import { SqliteGenerationIndex } from '../index/sqlite-generation-index.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { collectGarbage } from './collect-garbage.ts'
import { compactWorkspace } from './compact-workspace.ts'
import { DamagedStore } from './damaged-store.fixture.ts'
import { rebuildIndex } from './rebuild-index.ts'
import { listOrgs } from './survey-store.ts'
import { assertRestorable, ORG, World, type WorldWorkspace } from './world.fixture.ts'

async function historyOf(index: GenerationIndex, workspace: string): Promise<readonly GenerationRow[]> {
  return index.history(workspace, { limit: 1000 })
}

/** What a rebuilt history has in common with the original: all but proofs, and where a moved record stands. */
function comparable(rows: readonly GenerationRow[]): unknown[] {
  return rows.map(({ verifiedAt: _verified, recordPack: _pack, ...row }) => row)
}

async function commitMany(workspace: WorldWorkspace, count: number): Promise<void> {
  for (let made = 0; made < count; made++) {
    workspace.write(`d${made % 3}/f${made % 5}`, `content ${made} of ${workspace.lease.workspace} `.repeat(9))
    await workspace.commit({ cause: made % 4 === 0 ? 'checkpoint' : 'periodic', message: `commit ${made}` })
  }
}

/** A second world on the same store, with an empty index that is then rebuilt. */
async function rebuilt(world: World, index: GenerationIndex = new MemoryGenerationIndex()) {
  const result = await rebuildIndex({ ...world.deps, index }, ORG)
  const other = await World.make({
    store: world.store,
    index,
    ...(world.sealKey ? { sealKey: world.sealKey } : {}),
  })
  return { index, other, result }
}

test('an index rebuilt from the store is the original history, forks and epochs included', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 6)
  const again = await world.workspace('ws-1')
  await commitMany(again, 3)
  const [point = ''] = [...workspace.model.keys()].slice(2)
  const fork = await world.workspace('a-fork', point)
  fork.write('own', 'of the fork')
  await fork.commit({ cause: 'fork' })
  await using file = await SqliteGenerationIndex.open({ path: join(world.path, 'rebuilt.sqlite') })
  const { index, other, result } = await rebuilt(world, file)
  await using _other = other
  assert.deepEqual(result.damaged, [])
  for (const { id, head, forkedFrom, epoch } of await world.index.workspaces(ORG)) {
    assert.deepEqual(comparable(await historyOf(index, id)), comparable(await historyOf(world.index, id)))
    const row = await index.workspace(id)
    assert.deepEqual([row.head, row.forkedFrom], [head, forkedFrom])
    assert.ok(row.epoch > epoch)
  }
  for (const model of [workspace.model, again.model, fork.model]) await assertRestorable(other, model)
  const next = await other.workspace('ws-1')
  next.write('after', 'the history goes on')
  await next.commit()
  await assertRestorable(other, next.model)
})

test('after retention, compaction and GC the retained generations are rebuilt, and the others keep their places', async () => {
  await using world = await World.make({ sealKey: Buffer.alloc(32, 1) })
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 30)
  const ids = [...workspace.model.keys()]
  const dropped = ids.filter((_, index) => index % 3 !== 0 && index < 27)
  await world.index.dropGenerations(dropped)
  await compactWorkspace(world.deps, { lease: workspace.lease, always: true })
  await collectGarbage(world.deps, { org: ORG })
  await commitMany(workspace, 2)
  const { index, other } = await rebuilt(world)
  await using _other = other
  const original = await historyOf(world.index, 'ws-1')
  const found = await historyOf(index, 'ws-1')
  assert.deepEqual(
    comparable(found.filter((row) => row.retained)),
    comparable(original.filter((row) => row.retained)),
  )
  assert.deepEqual(
    found.map(({ sequence, retained }) => [sequence, retained]),
    original.map(({ sequence, retained }) => [sequence, retained]),
  )
  await assertRestorable(other, new Map([...workspace.model].filter(([id]) => !dropped.includes(id))))
  await collectGarbage(other.deps, { org: ORG, sweepOrphans: true })
  await assertRestorable(other, new Map([...workspace.model].filter(([id]) => !dropped.includes(id))))
})

test('damaged packs are reported, and the newest generation that is whole becomes the head', async () => {
  const store = new DamagedStore(new MemoryObjectStore(systemClock))
  await using world = await World.make({ store })
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 10)
  const ids = [...workspace.model.keys()]
  const packOf = async (id = '') => `packs/${(await world.index.generation(id)).recordPack}`
  store.remove(await packOf(ids[9]))
  await store.truncate(await packOf(ids[4]), 300)
  const { index, other, result } = await rebuilt(world)
  await using _other = other
  assert.deepEqual(
    result.damaged.map(({ object }) => object),
    [await packOf(ids[4])],
  )
  const { head } = await index.workspace('ws-1')
  const rows = await historyOf(index, 'ws-1')
  assert.ok(head !== null && rows.length <= 9)
  assert.equal(rows.find((row) => row.sequence === 5)?.retained ?? false, false)
  await assertRestorable(
    other,
    new Map([...workspace.model].filter(([id]) => rows.some((row) => row.id === id))),
  )
  assert.ok(rows.find((row) => row.id === head)?.retained)
})

test('a sound pack under the name of another is reported, and nothing is taken from it', async () => {
  for (const sealKey of [undefined, Buffer.alloc(32, 5)]) {
    await using world = await World.make(sealKey ? { sealKey } : {})
    const workspace = await world.workspace('ws-1')
    await commitMany(workspace, 3)
    const [first] = (await historyOf(world.index, 'ws-1')).toReversed()
    const bytes = await world.store.get(`packs/${first?.recordPack}`)
    const copy = `packs/${ORG}/ws-1/1/${'0'.repeat(32)}`
    await world.store.put(copy, [bytes])
    const { index, other, result } = await rebuilt(world)
    await using _other = other
    assert.deepEqual(
      result.damaged.map(({ object }) => object),
      [copy],
    )
    assert.match(result.damaged[0]?.problem ?? '', sealKey ? /corrupt/ : /holds the bytes of/)
    assert.deepEqual(
      comparable(await historyOf(index, 'ws-1')),
      comparable(await historyOf(world.index, 'ws-1')),
    )
  }
})

test('packs of commits that never came about are not part of the history', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 3)
  const newer = await world.workspace('ws-1')
  workspace.write('zombie', 'written by a holder whose lease is lost')
  await assert.rejects(workspace.commit(), (error) => isFailure(error, 'lease-lost'))
  await commitMany(newer, 2)
  const { index, other, result } = await rebuilt(world)
  await using _other = other
  assert.equal((await index.workspace('ws-1')).head, (await world.index.workspace('ws-1')).head)
  assert.equal(result.workspaces[0]?.besides.length, 1)
})

test('a store under another key, without the org, or an index that knows it is refused', async () => {
  await using world = await World.make({ sealKey: Buffer.alloc(32, 1) })
  const workspace = await world.workspace('ws-1')
  await commitMany(workspace, 2)
  const fresh = { ...world.deps, index: new MemoryGenerationIndex() }
  await assert.rejects(rebuildIndex({ ...fresh, coding: { seal: null } }, ORG), (error) =>
    isFailure(error, 'wrong-key'),
  )
  await assert.rejects(rebuildIndex(fresh, 'org-none'), (error) => isFailure(error, 'not-found'))
  await assert.rejects(rebuildIndex(world.deps, ORG), (error) => isFailure(error, 'already-exists'))
  assert.deepEqual(await listOrgs(world.store), new Map([[ORG, new Set(['ws-1'])]]))
})

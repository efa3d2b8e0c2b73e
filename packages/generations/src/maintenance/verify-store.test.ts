import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { createFrameSeal } from '../format/frame-seal.ts'
import { packKey } from '../format/names.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { compactWorkspace } from './compact-workspace.ts'
import { DamagedStore } from './damaged-store.fixture.ts'
import { newestIntact } from './newest-intact.ts'
import { verifyPack } from './verify-pack.ts'
import { verifyStore } from './verify-store.ts'
import { ORG, World, type WorldWorkspace } from './world.fixture.ts'

const FLIPS = process.env.HOLDFAST_LONG ? 1000 : 200
const FLIPS_SEALED = process.env.HOLDFAST_LONG ? 1000 : 60
const WHERE = { org: ORG, workspace: 'ws-1' }

/** A history with merged packs and younger ones, in a store that can be damaged. */
async function historyWith(store: DamagedStore, sealKey?: Uint8Array): Promise<[World, WorldWorkspace]> {
  const world = await World.make({ store, ...(sealKey ? { sealKey } : {}) })
  const workspace = await world.workspace('ws-1')
  const next = seededNumbers(3)
  for (let made = 0; made < 20; made++) {
    workspace.write(`d${made % 3}/f${made % 8}`, `line ${made} `.repeat(20 + made))
    workspace.write(`dense/f${made % 4}`, Buffer.from(Array.from({ length: 600 }, () => next() * 256)))
    await workspace.commit()
    if (made === 16) await compactWorkspace(world.deps, { lease: workspace.lease, always: true })
  }
  return [world, workspace]
}

describe('verify', () => {
  for (const sealed of [false, true]) {
    describe(sealed ? 'of a sealed store' : 'of an open store', () => {
      const store = new DamagedStore(new MemoryObjectStore(systemClock))
      let world: World
      before(async () => {
        ;[world] = await historyWith(store, sealed ? Buffer.alloc(32, 5) : undefined)
      })
      after(() => world[Symbol.asyncDispose]())

      test('finds nothing in a sound store, and reads all of it', async () => {
        const report = await verifyStore(world.deps, { org: ORG })
        const objects = await store.objects()
        assert.deepEqual(report.damaged, [])
        assert.deepEqual(report.unreferenced, [])
        assert.equal(report.packs + report.indexObjects, objects.length)
        const packBytes = objects
          .filter(({ key }) => key.startsWith('packs/'))
          .reduce((sum, o) => sum + o.bytes, 0)
        assert.equal(report.bytes, packBytes)
        assert.deepEqual((await verifyStore(world.deps, WHERE)).damaged, [])
      })

      const flips = sealed ? FLIPS_SEALED : FLIPS
      test(`finds each of ${flips} single bits turned over anywhere, and names the object`, async () => {
        const next = seededNumbers(sealed ? 11 : 12)
        const objects = await store.objects()
        const total = objects.reduce((sum, { bytes }) => sum + bytes, 0)
        for (let flip = 0; flip < flips; flip++) {
          let at = Math.floor(next() * total * 8)
          const hit = objects.find(({ bytes }) => {
            if (at < bytes * 8) return true
            at -= bytes * 8
            return false
          })
          assert.ok(hit)
          await store.flipBit(hit.key, at)
          const { damaged } = await verifyStore(world.deps, { org: ORG })
          assert.ok(
            damaged.some(({ object }) => object === hit.key),
            `bit ${at} of ${hit.key}`,
          )
          store.heal()
        }
      })

      test(`finds every ${sealed ? 'seventh' : 'single'} bit of a pack`, async () => {
        const [row] = (await world.index.chunkIndex('ws-1')).deltaPacks
        assert.ok(row)
        const bytes = Buffer.from(await store.get(`packs/${row.name}`))
        assert.equal(verifyPack(world.coding, row, bytes).problem, undefined)
        for (let bit = 0; bit < bytes.length * 8; bit += sealed ? 7 : 1) {
          const at = bit >> 3
          bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit & 7)), at)
          assert.notEqual(verifyPack(world.coding, row, bytes).problem, undefined, `bit ${bit}`)
          bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit & 7)), at)
        }
      })
    })
  }
})

describe('a verify report', () => {
  const store = new DamagedStore(new MemoryObjectStore(systemClock))
  let world: World
  let workspace: WorldWorkspace
  before(async () => {
    ;[world, workspace] = await historyWith(store)
  })
  after(() => world[Symbol.asyncDispose]())

  test('names every object that is truncated, missing or swapped with another', async () => {
    const objects = (await store.objects()).map(({ key }) => key)
    for (const key of objects) {
      const other = objects.find((each) => each !== key && each.startsWith(key.slice(0, 5)))
      const harms = [() => store.truncate(key, 100), () => store.truncate(key, 0), () => store.remove(key)]
      if (other !== undefined) harms.push(() => store.swap(key, other))
      for (const harm of harms) {
        await harm()
        const { damaged } = await verifyStore(world.deps, { org: ORG })
        assert.ok(
          damaged.some(({ object }) => object === key),
          key,
        )
        store.heal()
      }
    }
  })

  test('names the generations and paths that a damaged pack takes with it, and no others', async () => {
    workspace.write('only-here', 'bytes of one file in one pack')
    const first = await workspace.commit()
    workspace.write('d0/f0', 'something else')
    const second = await workspace.commit()
    workspace.remove('only-here')
    await workspace.commit()
    const { recordPack } = await world.index.generation(first)
    store.remove(`packs/${recordPack}`)
    const { damaged } = await verifyStore(world.deps, WHERE)
    assert.equal(damaged.length, 1)
    const [{ object, problem, generations, paths }] = damaged as [(typeof damaged)[0]]
    assert.equal(object, `packs/${recordPack}`)
    assert.match(problem, /object-missing/)
    assert.ok(generations.includes(first) && generations.includes(second))
    assert.ok(generations.length <= 3)
    assert.ok(paths.length > 0)
    const intact = await newestIntact(world.deps, WHERE)
    assert.ok(intact && !generations.includes(intact.id))
    store.heal()
    await store.flipBit(`packs/${recordPack}`, 8 * 12)
    const flipped = await verifyStore(world.deps, WHERE)
    assert.deepEqual(
      flipped.damaged.map((each) => each.object),
      [`packs/${recordPack}`],
    )
    store.heal()
  })

  test('takes a condemned pack that is gone for the work of GC, unless a generation needs it', async () => {
    const ids = [...workspace.model.keys()]
    const { recordPack: unneeded } = await world.index.generation(ids[0] ?? '')
    const { recordPack: needed } = await world.index.generation(ids.at(-1) ?? '')
    await world.index.condemnPacks(ORG, [unneeded, needed], systemClock.wallMs())
    store.remove(packKey(unneeded))
    assert.deepEqual((await verifyStore(world.deps, { org: ORG })).damaged, [])
    store.remove(packKey(needed))
    const { damaged } = await verifyStore(world.deps, { org: ORG })
    assert.ok(damaged.some(({ object }) => object === packKey(needed)))
    assert.ok(damaged.some(({ generations }) => generations.includes(ids.at(-1) ?? '')))
    store.heal()
    await world.index.reprievePacks(ORG, [needed, unneeded])
  })

  test('with all of an index object lost names every generation of the workspace', async () => {
    const [base = ''] = (await world.index.chunkIndex('ws-1')).baseObjects
    store.remove(base)
    const { damaged } = await verifyStore(world.deps, { org: ORG })
    const found = damaged.find(({ object }) => object === base)
    assert.deepEqual(new Set(found?.generations), new Set(workspace.model.keys()))
    assert.ok(found?.paths.includes('d2/f0'))
    store.heal()
  })

  test('of a subset covers every pack once over all parts', async () => {
    const whole = await verifyStore(world.deps, { org: ORG })
    let packs = 0
    for (let part = 1; part <= 7; part++)
      packs += (await verifyStore(world.deps, { org: ORG, subset: { part, parts: 7 } })).packs
    assert.equal(packs, whole.packs)
  })

  test('is refused under another key than the one the store was sealed with', async () => {
    const coding = { seal: createFrameSeal(Buffer.alloc(32, 9)) }
    const verifying = verifyStore({ ...world.deps, coding }, { org: ORG })
    await assert.rejects(verifying, (error) => isFailure(error, 'wrong-key'))
  })

  test('tells of objects that nothing names', async () => {
    const key = `packs/${ORG}/ws-1/7/${'c'.repeat(32)}`
    await store.put(key, [Buffer.from('left over')])
    assert.deepEqual((await verifyStore(world.deps, { org: ORG })).unreferenced, [key])
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  appendChain,
  commitOn,
  describeHistory,
  type OpenIndex,
  ORG,
  packNamed,
  rejectsWith,
  WORKSPACE,
  withWorkspace,
} from './generation-index-fixture.ts'

/** The promises about where chunks are found, and about compaction. */
export function chunkPromises(open: OpenIndex): void {
  findingPromises(open)
  refusalPromises(open)
  repetitionPromises(open)
}

function findingPromises(open: OpenIndex): void {
  test('packs are listed in the order of their commits, and within one as the commit lists them', () =>
    withWorkspace(open, async (index, lease) => {
      const packs = ['z', 'a', 'm', 'b'].map((label) => packNamed(lease, label))
      const [z, a, m, b] = packs
      assert.ok(z && a && m && b)
      const first = commitOn(lease, null, { recordPack: z.name, newPacks: [z, a] })
      const second = commitOn(lease, first, { recordPack: m.name, newPacks: [m, b] })
      await index.append(lease, first)
      await index.append(lease, second)
      assert.deepEqual(await index.chunkIndex(WORKSPACE), { baseObjects: [], deltaPacks: packs })
    }))

  test('a replacement names its base objects in order, takes what they cover off the deltas, and adds its packs', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second, third] = await appendChain(index, lease, { count: 3 })
      assert.ok(first && second && third)
      const generation = await index.generation(first.id)
      const packed = packNamed(lease, 'repacked')
      const covered = [first.recordPack, third.recordPack, packed.name]
      await index.replaceIndex(lease, {
        replaces: [],
        baseObjects: ['z', 'a'],
        newPacks: [packed],
        covered,
        gcSeen: 0,
      })
      assert.deepEqual(await index.chunkIndex(WORKSPACE), {
        baseObjects: ['z', 'a'],
        deltaPacks: second.newPacks,
      })
      const live = (await index.packs(ORG, 'live')).map((pack) => pack.name)
      assert.ok(live.includes(packed.name))
      assert.equal(live.length, 4)
      assert.deepEqual(await index.generation(first.id), generation)
      assert.equal((await index.workspace(WORKSPACE)).head, third.id)
    }))

  test('packs committed after a replacement come behind the deltas that stayed', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      const replacement = {
        replaces: [],
        baseObjects: ['b'],
        newPacks: [],
        covered: [first.recordPack],
        gcSeen: 0,
      }
      await index.replaceIndex(lease, replacement)
      const [third] = await appendChain(index, lease, { count: 1, after: second })
      assert.deepEqual((await index.chunkIndex(WORKSPACE)).deltaPacks, [
        ...second.newPacks,
        ...(third?.newPacks ?? []),
      ])
    }))
}

function refusalPromises(open: OpenIndex): void {
  test('a replacement that loses its lease or saw too little of GC changes nothing', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      assert.ok(first)
      const clock = await index.condemnPacks(ORG, [], 1)
      await index.advanceBoundary(ORG, clock)
      const replacement = {
        replaces: [],
        baseObjects: ['b'],
        newPacks: [packNamed(lease, 'repacked')],
        covered: [first.recordPack],
        gcSeen: clock - 1,
      }
      const before = await describeHistory(index, [ORG])
      await rejectsWith('gc-expired', index.replaceIndex(lease, replacement))
      assert.deepEqual(await describeHistory(index, [ORG]), before)
      const next = await index.acquire(WORKSPACE)
      await rejectsWith('lease-lost', index.replaceIndex(lease, { ...replacement, gcSeen: clock }))
      const again = { ...replacement, newPacks: [packNamed(next, 'repacked')], gcSeen: clock }
      await index.replaceIndex(next, again)
      assert.deepEqual((await index.chunkIndex(WORKSPACE)).baseObjects, ['b'])
    }))

  test('a replacement brings no pack of another workspace and no name that is taken', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      const [pack] = first?.newPacks ?? []
      assert.ok(pack)
      const bringing = (newPack: typeof pack) =>
        index.replaceIndex(lease, {
          replaces: [],
          baseObjects: ['b'],
          newPacks: [newPack],
          covered: [],
          gcSeen: 0,
        })
      await rejectsWith('invalid-argument', bringing({ ...pack, name: `${ORG}/ws-2/1/a` }))
      await rejectsWith('already-exists', bringing({ ...pack, bytes: pack.bytes + 1 }))
      await rejectsWith('invalid-argument', bringing({ ...pack, sha256: '' }))
      await index.condemnPacks(ORG, [pack.name], 1)
      await rejectsWith('gc-expired', bringing(pack))
    }))
}

function repetitionPromises(open: OpenIndex): void {
  test('a replacement submitted again changes nothing', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 2 })
      assert.ok(first)
      const replacement = {
        replaces: [],
        baseObjects: ['b1'],
        newPacks: [packNamed(lease, 'r')],
        covered: [first.recordPack],
        gcSeen: 0,
      }
      await index.replaceIndex(lease, replacement)
      const before = await describeHistory(index, [ORG])
      await index.replaceIndex(lease, replacement)
      assert.deepEqual(await describeHistory(index, [ORG]), before)
      const clock = await index.condemnPacks(ORG, [], 1)
      await index.advanceBoundary(ORG, clock)
      await index.replaceIndex(lease, replacement)
    }))

  test('a replacement computed from other base objects than the present ones changes nothing', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      const covered = (pack: string) => ({ newPacks: [], covered: [pack], gcSeen: 0 })
      const older = { replaces: [], baseObjects: ['b1'], ...covered(first.recordPack) }
      await index.replaceIndex(lease, older)
      const rival = { replaces: [], baseObjects: ['b3'], ...covered(second.recordPack) }
      const before = await describeHistory(index, [ORG])
      await rejectsWith('head-moved', index.replaceIndex(lease, rival))
      await rejectsWith('head-moved', index.replaceIndex(lease, { ...rival, replaces: ['b1', 'b1'] }))
      assert.deepEqual(await describeHistory(index, [ORG]), before)
      await index.replaceIndex(lease, {
        replaces: ['b1'],
        baseObjects: ['b1', 'b2'],
        ...covered(second.recordPack),
      })
      const after = await describeHistory(index, [ORG])
      await rejectsWith('head-moved', index.replaceIndex(lease, older))
      assert.deepEqual(await describeHistory(index, [ORG]), after)
    }))
}

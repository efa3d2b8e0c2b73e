import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  appendChain,
  commitOn,
  describeHistory,
  type OpenIndex,
  ORG,
  OTHER_ORG,
  rejectsWith,
  WORKSPACE,
  withWorkspace,
} from './generation-index-fixture.ts'

/** The promises about packs, the GC clock and the boundary. */
export function gcPromises(open: OpenIndex): void {
  clockPromises(open)
  statePromises(open)
  boundaryPromises(open)
}

function clockPromises(open: OpenIndex): void {
  test('the clock counts the condemnations of its org only', () =>
    withWorkspace(open, async (index, lease) => {
      assert.equal(await index.gcClock(ORG), 0)
      const commits = await appendChain(index, lease, { count: 2 })
      const names = commits.map((commit) => commit.recordPack)
      assert.equal(await index.condemnPacks(ORG, names, 77), 1)
      assert.equal(await index.condemnPacks(ORG, [], 78), 2)
      assert.equal(await index.gcClock(ORG), 2)
      assert.equal(await index.gcClock(OTHER_ORG), 0)
      assert.equal(await index.condemnPacks('org-new', [], 1), 1)
      assert.equal(await index.gcClock('org-new'), 1)
    }))

  test('condemnations at once count once each', () =>
    withWorkspace(open, async (index, lease) => {
      const commits = await appendChain(index, lease, { count: 5 })
      const calls = commits.map((commit) => index.condemnPacks(ORG, [commit.recordPack], 1))
      assert.deepEqual((await Promise.all(calls)).sort(), [1, 2, 3, 4, 5])
    }))
}

function statePromises(open: OpenIndex): void {
  test('a pack goes from live to condemned and back, or on to deleted, and listings follow', () =>
    withWorkspace(open, async (index, lease) => {
      const commits = await appendChain(index, lease, { count: 3 })
      const [a, b, c] = commits.flatMap((commit) => commit.newPacks)
      assert.ok(a && b && c)
      await index.condemnPacks(ORG, [a.name, b.name, a.name], 77)
      await index.reprievePacks(ORG, [a.name])
      await index.reprievePacks(ORG, [a.name])
      await index.forgetPacks(ORG, [b.name])
      const live = [a, c].map((pack) => ({ ...pack, condemnedAt: null }))
      const byName = (x: { name: string }, y: { name: string }) => (x.name < y.name ? -1 : 1)
      assert.deepEqual(await index.packs(ORG, 'live'), live.sort(byName))
      assert.deepEqual(await index.packs(ORG, 'condemned'), [])
      assert.deepEqual(await index.packs(ORG, 'deleted'), [{ ...b, condemnedAt: 77 }])
      assert.deepEqual(await index.packs(OTHER_ORG, 'live'), [])
    }))

  test('a pack in another state, of another org or without a row is refused, and then none is moved', () =>
    withWorkspace(open, async (index, lease) => {
      const commits = await appendChain(index, lease, { count: 3 })
      const [live, condemned, deleted] = commits.map((commit) => commit.recordPack)
      assert.ok(live && condemned && deleted)
      await index.condemnPacks(ORG, [condemned, deleted], 1)
      await index.forgetPacks(ORG, [deleted])
      const before = await describeHistory(index, [ORG, OTHER_ORG])
      const code = 'invalid-argument'
      for (const name of [condemned, deleted, 'none'])
        await rejectsWith(code, index.condemnPacks(ORG, [live, name], 2))
      for (const name of [deleted, 'none'])
        await rejectsWith(code, index.reprievePacks(ORG, [condemned, name]))
      for (const name of [live, deleted, 'none'])
        await rejectsWith(code, index.forgetPacks(ORG, [condemned, name]))
      await rejectsWith(code, index.condemnPacks(OTHER_ORG, [live], 2))
      await rejectsWith(code, index.reprievePacks(OTHER_ORG, [condemned]))
      await rejectsWith(code, index.forgetPacks(OTHER_ORG, [condemned]))
      await rejectsWith(code, index.condemnPacks(ORG, [live], -1))
      assert.deepEqual(await describeHistory(index, [ORG, OTHER_ORG]), before)
    }))

  test('a condemned pack is still found by readers; a deleted one is not, in forks neither', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      await index.createWorkspace({ id: 'fork', org: ORG, forkedFrom: second.id })
      await index.condemnPacks(ORG, [first.recordPack], 1)
      for (const workspace of [WORKSPACE, 'fork'])
        assert.deepEqual((await index.chunkIndex(workspace)).deltaPacks, [
          ...first.newPacks,
          ...second.newPacks,
        ])
      await index.forgetPacks(ORG, [first.recordPack])
      for (const workspace of [WORKSPACE, 'fork'])
        assert.deepEqual((await index.chunkIndex(workspace)).deltaPacks, second.newPacks)
    }))
}

function boundaryPromises(open: OpenIndex): void {
  test('the boundary never moves down and never ahead of the clock', () =>
    withWorkspace(open, async (index, lease) => {
      for (let turn = 0; turn < 3; turn += 1) await index.condemnPacks(ORG, [], 1)
      await rejectsWith('invalid-argument', index.advanceBoundary(ORG, 4))
      await rejectsWith('invalid-argument', index.advanceBoundary(ORG, -1))
      await index.advanceBoundary(ORG, 2)
      await index.advanceBoundary(ORG, 1)
      await rejectsWith('gc-expired', index.append(lease, commitOn(lease, null, { gcSeen: 1 })))
      await index.append(lease, commitOn(lease, null, { gcSeen: 2 }))
    }))

  test('the boundary of one org does not stop the writers of another', () =>
    withWorkspace(open, async (index, lease) => {
      await index.advanceBoundary(OTHER_ORG, await index.condemnPacks(OTHER_ORG, [], 1))
      await appendChain(index, lease, { count: 1 })
    }))

  test('of a commit and the condemnation of a pack it uses, the later one sees the earlier', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      assert.ok(first)
      const commit = commitOn(lease, first, { usedPacks: [first.recordPack] })
      const [condemned, appended] = await Promise.allSettled([
        index.condemnPacks(ORG, [first.recordPack], 1),
        index.append(lease, commit),
      ])
      assert.equal(condemned.status, 'fulfilled')
      const head = (await index.workspace(WORKSPACE)).head
      assert.equal(head, appended.status === 'fulfilled' ? commit.id : first.id)
    }))
}

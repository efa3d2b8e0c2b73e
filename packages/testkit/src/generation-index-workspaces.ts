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

/** The promises about workspaces, forks and leases. */
export function workspacePromises(open: OpenIndex): void {
  creationPromises(open)
  forkPromises(open)
  leasePromises(open)
}

function creationPromises(open: OpenIndex): void {
  test('a new workspace has no head, no chunks and no history', () =>
    withWorkspace(open, async (index) => {
      await index.createWorkspace({ id: 'ws-2', org: ORG })
      assert.deepEqual(await index.workspace('ws-2'), {
        id: 'ws-2',
        org: ORG,
        epoch: 0,
        head: null,
        forkedFrom: null,
      })
      assert.deepEqual(await index.chunkIndex('ws-2'), { baseObjects: [], deltaPacks: [] })
      assert.deepEqual(await index.history('ws-2', { limit: 10 }), [])
    }))

  test('a workspace is created once, whatever the org', () =>
    withWorkspace(open, async (index) => {
      await rejectsWith('already-exists', index.createWorkspace({ id: WORKSPACE, org: ORG }))
      await rejectsWith('already-exists', index.createWorkspace({ id: WORKSPACE, org: OTHER_ORG }))
      assert.equal((await index.workspace(WORKSPACE)).org, ORG)
    }))

  test('a workspace that nobody created is not found', () =>
    withWorkspace(open, async (index) => {
      await rejectsWith('not-found', index.workspace('ws-none'))
      await rejectsWith('not-found', index.acquire('ws-none'))
      await rejectsWith('not-found', index.history('ws-none', { limit: 1 }))
      await rejectsWith('not-found', index.chunkIndex('ws-none'))
      const lease = { org: ORG, workspace: 'ws-none', epoch: 1 }
      await rejectsWith('not-found', index.append(lease, commitOn(lease, null)))
    }))

  test('a listing of workspaces shows those of its org only, in the order of their ids', () =>
    withWorkspace(open, async (index) => {
      await index.createWorkspace({ id: 'ws-0', org: ORG })
      await index.createWorkspace({ id: 'ws-9', org: OTHER_ORG })
      assert.deepEqual(
        (await index.workspaces(ORG)).map((row) => row.id),
        ['ws-0', WORKSPACE],
      )
      assert.deepEqual(
        (await index.workspaces(OTHER_ORG)).map((row) => row.id),
        ['ws-9'],
      )
      assert.deepEqual(await index.workspaces('org-none'), [])
    }))

  test('a workspace without a name is refused', () =>
    withWorkspace(open, async (index) => {
      await rejectsWith('invalid-argument', index.createWorkspace({ id: '', org: ORG }))
      await rejectsWith('invalid-argument', index.createWorkspace({ id: 'ws-2', org: '' }))
      await rejectsWith('invalid-argument', index.createWorkspace({ id: '\ud800', org: ORG }))
    }))
}

function forkPromises(open: OpenIndex): void {
  test('a fork finds its chunks where its source does at that moment, and both go on by themselves', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      const merged = {
        replaces: [],
        baseObjects: ['base-1', 'base-2'],
        newPacks: [],
        covered: [first.recordPack],
        gcSeen: 0,
      }
      await index.replaceIndex(lease, merged)
      await index.createWorkspace({ id: 'fork', org: ORG, forkedFrom: first.id })
      const source = await index.chunkIndex(WORKSPACE)
      assert.deepEqual(await index.chunkIndex('fork'), source)
      await appendChain(index, lease, { count: 1, after: second })
      assert.deepEqual(await index.chunkIndex('fork'), source)
      const forkLease = await index.acquire('fork')
      const commit = commitOn(forkLease, first, { cause: 'fork' })
      await index.append(forkLease, commit)
      assert.deepEqual(await index.chunkIndex('fork'), {
        baseObjects: source.baseObjects,
        deltaPacks: [...source.deltaPacks, ...commit.newPacks],
      })
      assert.equal((await index.workspace(WORKSPACE)).epoch, lease.epoch)
    }))

  test('a fork has no head before its first commit, which follows the fork point and nothing else', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      await index.createWorkspace({ id: 'fork', org: ORG, forkedFrom: first.id })
      const row = await index.workspace('fork')
      assert.deepEqual([row.head, row.forkedFrom], [null, first.id])
      const forkLease = await index.acquire('fork')
      await rejectsWith('head-moved', index.append(forkLease, commitOn(forkLease, null)))
      await rejectsWith('head-moved', index.append(forkLease, commitOn(forkLease, second)))
      await rejectsWith('head-moved', index.append(forkLease, commitOn(forkLease, first, { sequence: 1 })))
      const commit = commitOn(forkLease, first, { cause: 'fork' })
      await index.append(forkLease, commit)
      assert.equal((await index.workspace('fork')).head, commit.id)
      assert.equal((await index.workspace(WORKSPACE)).head, second.id)
      const listed = await index.history('fork', { limit: 10 })
      assert.deepEqual(
        listed.map((generation) => [generation.id, generation.parent, generation.sequence]),
        [[commit.id, first.id, 2]],
      )
      await rejectsWith(
        'head-moved',
        index.append(forkLease, commitOn(forkLease, first, { message: 'again' })),
      )
    }))

  test('a fork of a fork finds its chunks where that fork does', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      assert.ok(first)
      await index.createWorkspace({ id: 'fork', org: ORG, forkedFrom: first.id })
      const forkLease = await index.acquire('fork')
      const [child] = await appendChain(index, forkLease, { count: 1, after: first })
      assert.ok(child)
      await index.createWorkspace({ id: 'fork-2', org: ORG, forkedFrom: child.id })
      assert.deepEqual(await index.chunkIndex('fork-2'), await index.chunkIndex('fork'))
    }))

  test('a fork of another org, of a dropped generation or of none is refused and leaves no workspace', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      await index.dropGenerations([first.id])
      const before = await describeHistory(index, [ORG, OTHER_ORG])
      const fork = (org: string, forkedFrom: string) => index.createWorkspace({ id: 'fork', org, forkedFrom })
      await rejectsWith('invalid-argument', fork(OTHER_ORG, second.id))
      await rejectsWith('invalid-argument', fork(ORG, first.id))
      await rejectsWith('not-found', fork(ORG, 'no-such-generation'))
      assert.deepEqual(await describeHistory(index, [ORG, OTHER_ORG]), before)
    }))
}

function leasePromises(open: OpenIndex): void {
  test('each acquire returns a greater epoch, also when many come at once', () =>
    withWorkspace(open, async (index, lease) => {
      const leases = await Promise.all(Array.from({ length: 8 }, () => index.acquire(WORKSPACE)))
      const epochs = leases.map((held) => held.epoch)
      assert.equal(new Set(epochs).size, 8)
      assert.ok(epochs.every((epoch) => epoch > lease.epoch))
      assert.equal((await index.workspace(WORKSPACE)).epoch, Math.max(...epochs))
    }))

  test('an acquire in one workspace leaves the leases of others alone', () =>
    withWorkspace(open, async (index, lease) => {
      await index.createWorkspace({ id: 'ws-2', org: ORG })
      const other = await index.acquire('ws-2')
      assert.deepEqual([other.org, other.workspace], [ORG, 'ws-2'])
      await appendChain(index, lease, { count: 1 })
      await appendChain(index, other, { count: 1 })
    }))
}

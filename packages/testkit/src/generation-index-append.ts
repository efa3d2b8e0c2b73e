import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { GenerationCommit } from '@holdfast/generations/index/generation-index'
import type { FailureCode } from '@holdfast/protocol/failures'
import {
  appendChain,
  commitOn,
  describeHistory,
  type OpenIndex,
  ORG,
  OTHER_ORG,
  packNamed,
  rejectsWith,
  WORKSPACE,
  withWorkspace,
} from './generation-index-fixture.ts'

/** The promises about making a generation the head. */
export function appendPromises(open: OpenIndex): void {
  headPromises(open)
  fencePromises(open)
  repetitionPromises(open)
  packPromises(open)
  shapePromises(open)
}

function headPromises(open: OpenIndex): void {
  test('an appended generation is the head and reads back as it was committed', () =>
    withWorkspace(open, async (index, lease) => {
      const commit = commitOn(lease, null, {
        cause: 'checkpoint',
        message: 'before the migration\n\u0000 é 漢 🙂',
        consistency: 'per-database',
      })
      await index.append(lease, commit)
      const { newPacks, usedPacks: _usedPacks, gcSeen: _gcSeen, ...said } = commit
      const { epoch } = lease
      const row = { ...said, workspace: WORKSPACE, epoch, verifiedAt: null, retained: true }
      assert.deepEqual(await index.generation(commit.id), row)
      assert.deepEqual(await index.history(WORKSPACE, { limit: 10 }), [row])
      assert.equal((await index.workspace(WORKSPACE)).head, commit.id)
      const live = newPacks.map((pack) => ({ ...pack, condemnedAt: null }))
      assert.deepEqual(await index.packs(ORG, 'live'), live)
    }))

  test('a commit whose parent is not the head, or whose sequence does not follow, is refused as moved', () =>
    withWorkspace(open, async (index, lease) => {
      await rejectsWith('head-moved', index.append(lease, commitOn(lease, { id: 'none', sequence: 4 })))
      await rejectsWith('head-moved', index.append(lease, commitOn(lease, null, { sequence: 2 })))
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      for (const stale of [
        commitOn(lease, null, { message: 'second first' }),
        commitOn(lease, first, { message: 'sibling' }),
        commitOn(lease, second, { sequence: 2 }),
        commitOn(lease, second, { sequence: 4 }),
      ])
        await rejectsWith('head-moved', index.append(lease, stale))
      assert.equal((await index.workspace(WORKSPACE)).head, second.id)
    }))

  test('of appends with the same parent exactly one wins and the others are told that the head moved', () =>
    withWorkspace(open, async (index, lease) => {
      const commits = Array.from({ length: 16 }, (_, n) => commitOn(lease, null, { message: `try ${n}` }))
      const results = await Promise.allSettled(commits.map((commit) => index.append(lease, commit)))
      const won = commits.filter((_, n) => results[n]?.status === 'fulfilled')
      assert.equal(won.length, 1)
      assert.equal((await index.workspace(WORKSPACE)).head, won[0]?.id)
      for (const result of results)
        if (result.status === 'rejected') assert.ok(isFailure(result.reason, 'head-moved'))
      assert.equal((await index.packs(ORG, 'live')).length, 1)
    }))
}

function fencePromises(open: OpenIndex): void {
  test('a commit that loses its lease writes no generation and no pack', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      assert.ok(first)
      await index.acquire(WORKSPACE)
      const before = await describeHistory(index, [ORG])
      await rejectsWith('lease-lost', index.append(lease, commitOn(lease, first)))
      assert.deepEqual(await describeHistory(index, [ORG]), before)
    }))

  test('an epoch that was never given out appends nothing', () =>
    withWorkspace(open, async (index, lease) => {
      const invented = { ...lease, epoch: lease.epoch + 1 }
      await rejectsWith('lease-lost', index.append(invented, commitOn(invented, null)))
      const foreign = { ...lease, org: OTHER_ORG }
      await rejectsWith('invalid-argument', index.append(foreign, commitOn(foreign, null)))
      assert.equal((await index.workspace(WORKSPACE)).head, null)
    }))

  test('the holder of the newest lease goes on from the head of the last one', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      const next = await index.acquire(WORKSPACE)
      const [second] = await appendChain(index, next, { count: 1, after: first ?? null })
      assert.ok(first && second)
      const rows = await index.history(WORKSPACE, { limit: 10 })
      assert.deepEqual(
        rows.map((row) => [row.id, row.epoch]),
        [
          [second.id, next.epoch],
          [first.id, lease.epoch],
        ],
      )
    }))

  test('a lost lease is told before a moved head, and a moved head before GC', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      assert.ok(first)
      await index.advanceBoundary(ORG, await index.condemnPacks(ORG, [first.recordPack], 1))
      const used = { usedPacks: [first.recordPack], message: 'late' }
      await rejectsWith('gc-expired', index.append(lease, commitOn(lease, first, used)))
      await rejectsWith('head-moved', index.append(lease, commitOn(lease, null, used)))
      await index.acquire(WORKSPACE)
      await rejectsWith('lease-lost', index.append(lease, commitOn(lease, null, used)))
    }))
}

function repetitionPromises(open: OpenIndex): void {
  test('a commit submitted again resolves and changes nothing, however late', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 3 })
      assert.ok(first)
      await index.advanceBoundary(ORG, await index.condemnPacks(ORG, [first.recordPack], 1))
      const before = await describeHistory(index, [ORG])
      await Promise.all([index.append(lease, first), index.append(lease, first)])
      assert.deepEqual(await describeHistory(index, [ORG]), before)
    }))

  test('a commit in the history resolves under a lost lease, which asks for the outcome', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      const next = await index.acquire(WORKSPACE)
      await index.append(lease, first)
      await index.append(lease, second)
      await index.append(next, second)
      assert.equal((await index.workspace(WORKSPACE)).head, second.id)
      assert.equal((await index.generation(second.id)).epoch, lease.epoch)
    }))

  test('a commit submitted twice at once is applied once', () =>
    withWorkspace(open, async (index, lease) => {
      const commit = commitOn(lease, null)
      await Promise.all([1, 2, 3].map(() => index.append(lease, commit)))
      assert.equal((await index.history(WORKSPACE, { limit: 10 })).length, 1)
    }))

  test('a generation belongs to one workspace: its id is refused in another', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      assert.ok(first)
      await index.createWorkspace({ id: 'ws-2', org: ORG })
      const other = await index.acquire('ws-2')
      await rejectsWith('invalid-argument', index.append(other, { ...commitOn(other, null), id: first.id }))
      assert.equal((await index.workspace('ws-2')).head, null)
    }))
}

function packPromises(open: OpenIndex): void {
  test('a commit that uses a pack which is condemned, unknown or of another org is expired', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      assert.ok(first)
      await index.createWorkspace({ id: 'ws-b', org: OTHER_ORG })
      const [foreign] = await appendChain(index, await index.acquire('ws-b'), { count: 1 })
      assert.ok(foreign)
      const using = (name: string) => commitOn(lease, first, { usedPacks: [name], gcSeen: 9 })
      await rejectsWith('gc-expired', index.append(lease, using(`${ORG}/${WORKSPACE}/1/none`)))
      await rejectsWith('gc-expired', index.append(lease, using(foreign.recordPack)))
      await index.condemnPacks(ORG, [first.recordPack], 1)
      await rejectsWith('gc-expired', index.append(lease, using(first.recordPack)))
      await index.reprievePacks(ORG, [first.recordPack])
      await index.append(lease, using(first.recordPack))
    }))

  test('a commit whose record lies in a pack that is neither new nor live is expired', () =>
    withWorkspace(open, async (index, lease) => {
      const [first] = await appendChain(index, lease, { count: 1 })
      assert.ok(first)
      const recordPack = packNamed(lease, 'elsewhere').name
      await rejectsWith('gc-expired', index.append(lease, commitOn(lease, first, { recordPack })))
      await index.append(lease, commitOn(lease, first, { recordPack: first.recordPack, newPacks: [] }))
    }))

  test('a writer that saw less than the boundary is expired; one that saw the boundary is not', () =>
    withWorkspace(open, async (index, lease) => {
      const clock = await index.condemnPacks(ORG, [], 1)
      await index.append(lease, commitOn(lease, null, { gcSeen: clock - 1 }))
      const head = await index.generation((await index.workspace(WORKSPACE)).head ?? '')
      await index.advanceBoundary(ORG, clock)
      await rejectsWith('gc-expired', index.append(lease, commitOn(lease, head, { gcSeen: clock - 1 })))
      await index.append(lease, commitOn(lease, head, { gcSeen: clock }))
    }))

  test('a new pack may be the live row of an identical attempt, but a name never comes back otherwise', () =>
    withWorkspace(open, async (index, lease) => {
      const pack = packNamed(lease, 'staged')
      await index.replaceIndex(lease, {
        replaces: [],
        baseObjects: ['b'],
        newPacks: [pack],
        covered: [],
        gcSeen: 0,
      })
      const bringing = (changes: object) =>
        commitOn(lease, null, { recordPack: pack.name, newPacks: [{ ...pack, ...changes }] })
      await rejectsWith('already-exists', index.append(lease, bringing({ bytes: 5 })))
      await rejectsWith('already-exists', index.append(lease, bringing({ sha256: '0'.repeat(64) })))
      await index.condemnPacks(ORG, [pack.name], 1)
      await rejectsWith('gc-expired', index.append(lease, bringing({})))
      await index.reprievePacks(ORG, [pack.name])
      await index.append(lease, bringing({}))
      assert.deepEqual((await index.chunkIndex(WORKSPACE)).deltaPacks, [pack])
      await index.condemnPacks(ORG, [pack.name], 1)
      await index.forgetPacks(ORG, [pack.name])
      const head = await index.generation((await index.workspace(WORKSPACE)).head ?? '')
      const again = commitOn(lease, head, { recordPack: pack.name, newPacks: [pack] })
      await rejectsWith('gc-expired', index.append(lease, again))
    }))

  test('a new pack carries the name of its own workspace', () =>
    withWorkspace(open, async (index, lease) => {
      for (const name of ['x', `${ORG}/ws-2/1/a`, `${OTHER_ORG}/${WORKSPACE}/1/a`]) {
        const pack = { ...packNamed(lease, 'a'), name }
        const commit = commitOn(lease, null, { recordPack: name, newPacks: [pack] })
        await rejectsWith('invalid-argument', index.append(lease, commit))
      }
      assert.deepEqual(await index.packs(ORG, 'live'), [])
    }))
}

function shapePromises(open: OpenIndex): void {
  test('a commit that no history can hold is refused before anything is written', () =>
    withWorkspace(open, async (index, lease) => {
      const pack = packNamed(lease, 'p')
      const wrong: readonly Partial<GenerationCommit>[] = [
        { id: '' },
        { parent: '' },
        { root: 'r'.repeat(2_000) },
        { message: 'm'.repeat(65_537) },
        { message: '\udc00' },
        { files: 0.5 },
        { bytes: -1 },
        { createdAt: Number.NaN },
        { sequence: 2 ** 53 },
        { gcSeen: -1 },
        { usedPacks: [''] },
        { newPacks: [pack, pack] },
        { newPacks: [{ ...pack, sha256: 'ABC' }] },
        { newPacks: [{ ...pack, bytes: -1 }] },
      ]
      const before = await describeHistory(index, [ORG])
      const code: FailureCode = 'invalid-argument'
      for (const changes of wrong)
        await rejectsWith(code, index.append(lease, { ...commitOn(lease, null), ...changes }))
      assert.deepEqual(await describeHistory(index, [ORG]), before)
    }))
}

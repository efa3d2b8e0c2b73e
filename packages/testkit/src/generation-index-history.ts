import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  appendChain,
  commitOn,
  describeHistory,
  type OpenIndex,
  ORG,
  rejectsWith,
  WORKSPACE,
  withWorkspace,
} from './generation-index-fixture.ts'

/** The promises about reading the history, proofs of restores, and retention. */
export function historyPromises(open: OpenIndex): void {
  readingPromises(open)
  retentionPromises(open)
}

function readingPromises(open: OpenIndex): void {
  test('a generation that nobody committed is not found', () =>
    withWorkspace(open, async (index) => {
      await rejectsWith('not-found', index.generation('none'))
      await rejectsWith('not-found', index.markVerified('none', 1))
      await rejectsWith('not-found', index.dropGenerations(['none']))
    }))

  test('a history lists the newest first and continues below a sequence', () =>
    withWorkspace(open, async (index, lease) => {
      const commits = await appendChain(index, lease, { count: 7 })
      const seen: string[] = []
      for (let before: number | undefined; before !== 1; before = 8 - seen.length) {
        const page = before === undefined ? { limit: 3 } : { limit: 3, beforeSequence: before }
        seen.push(...(await index.history(WORKSPACE, page)).map((row) => row.id))
      }
      assert.deepEqual(seen, commits.map((commit) => commit.id).reverse())
      assert.deepEqual(await index.history(WORKSPACE, { limit: 3, beforeSequence: 1 }), [])
    }))

  test('a history has a bounded page', () =>
    withWorkspace(open, async (index) => {
      for (const limit of [0, -1, 1.5, 10_001, Number.NaN])
        await rejectsWith('invalid-argument', index.history(WORKSPACE, { limit }))
      await rejectsWith('invalid-argument', index.history(WORKSPACE, { limit: 1, beforeSequence: -1 }))
    }))

  test('a generation keeps the latest instant at which its restore was proven', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      await index.markVerified(first.id, 500)
      await index.markVerified(first.id, 400)
      assert.equal((await index.generation(first.id)).verifiedAt, 500)
      assert.equal((await index.generation(second.id)).verifiedAt, null)
      await rejectsWith('invalid-argument', index.markVerified(first.id, 0.5))
    }))
}

function retentionPromises(open: OpenIndex): void {
  test('a dropped generation stays listed and is no longer retained, also when dropped again', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second, third] = await appendChain(index, lease, { count: 3 })
      assert.ok(first && second && third)
      await index.dropGenerations([first.id, second.id])
      await index.dropGenerations([first.id])
      const rows = await index.history(WORKSPACE, { limit: 10 })
      assert.deepEqual(
        rows.map((row) => row.retained),
        [true, false, false],
      )
      const retained = await index.history(WORKSPACE, { limit: 10, retainedOnly: true })
      assert.deepEqual(
        retained.map((row) => row.id),
        [third.id],
      )
      assert.deepEqual(
        await index.history(WORKSPACE, { limit: 10, retainedOnly: true, beforeSequence: 3 }),
        [],
      )
      await index.append(lease, first)
      assert.equal((await index.generation(first.id)).retained, false)
    }))

  test('heads are not dropped, and one head in the list leaves all as they are', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      const before = await describeHistory(index, [ORG])
      await rejectsWith('invalid-argument', index.dropGenerations([first.id, second.id]))
      await rejectsWith('not-found', index.dropGenerations([first.id, 'none']))
      assert.deepEqual(await describeHistory(index, [ORG]), before)
    }))

  test('a fork point is not dropped before the fork has a head of its own', () =>
    withWorkspace(open, async (index, lease) => {
      const [first, second] = await appendChain(index, lease, { count: 2 })
      assert.ok(first && second)
      await index.createWorkspace({ id: 'fork', org: ORG, forkedFrom: first.id })
      await rejectsWith('invalid-argument', index.dropGenerations([first.id]))
      const forkLease = await index.acquire('fork')
      await index.append(forkLease, commitOn(forkLease, first))
      await index.dropGenerations([first.id])
      assert.equal((await index.generation(first.id)).retained, false)
    }))
}

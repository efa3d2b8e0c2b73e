import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GenerationIndex } from '@holdfast/generations/index/generation-index'
import {
  appendChain,
  commitOn,
  describeHistory,
  type OpenedIndex,
  ORG,
  type Parent,
  rejectsWith,
  WORKSPACE,
} from './generation-index-fixture.ts'

type Reopen = Required<OpenedIndex>['reopen']

/** Registers the promises of a history that outlives its handle and is open through several at once. */
export function indexHandlesConformance(name: string, open: () => Promise<Required<OpenedIndex>>): void {
  const withHandle = async (scenario: (index: GenerationIndex, reopen: Reopen) => Promise<void>) => {
    const opened = await open()
    try {
      await opened.index.createWorkspace({ id: WORKSPACE, org: ORG })
      await scenario(opened.index, opened.reopen)
    } finally {
      await opened.close()
    }
  }

  describe(`${name} keeps its promises through several handles`, () => {
    test('a history opened again is the one that was acknowledged', () =>
      withHandle(async (index, reopen) => {
        const [first] = await appendChain(index, await index.acquire(WORKSPACE), { count: 3 })
        await index.condemnPacks(ORG, [first?.recordPack ?? ''], 7)
        const before = await describeHistory(index, [ORG])
        await using beside = await reopen()
        assert.deepEqual(await describeHistory(beside, [ORG]), before)
        await beside[Symbol.asyncDispose]()
        await index[Symbol.asyncDispose]()
        await using after = await reopen()
        assert.deepEqual(await describeHistory(after, [ORG]), before)
      }))

    test('appends with the same parent through two handles: exactly one wins', () =>
      withHandle(async (index, reopen) => {
        const lease = await index.acquire(WORKSPACE)
        await using other = await reopen()
        let parent: Parent = null
        for (let round = 0; round < 20; round += 1) {
          const commits = [0, 1, 2, 3].map((n) => commitOn(lease, parent, { message: `${round}.${n}` }))
          const results = await Promise.allSettled(
            commits.map((commit, n) => ((n + round) % 2 === 0 ? index : other).append(lease, commit)),
          )
          const won = commits.filter((_, n) => results[n]?.status === 'fulfilled')
          assert.equal(won.length, 1)
          parent = won[0] ?? null
          assert.equal((await other.workspace(WORKSPACE)).head, parent?.id)
        }
      }))

    test('an acquire through one handle fences the writer behind the other', () =>
      withHandle(async (index, reopen) => {
        await using other = await reopen()
        const lease = await index.acquire(WORKSPACE)
        const [first] = await appendChain(index, lease, { count: 1 })
        const next = await other.acquire(WORKSPACE)
        await rejectsWith('lease-lost', index.append(lease, commitOn(lease, first ?? null)))
        await appendChain(other, next, { count: 1, after: first ?? null })
        assert.equal((await index.history(WORKSPACE, { limit: 9 })).length, 2)
      }))
  })
}

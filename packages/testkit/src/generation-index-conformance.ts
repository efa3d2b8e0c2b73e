import { describe, test } from 'node:test'
import { appendPromises } from './generation-index-append.ts'
import { chunkPromises } from './generation-index-chunks.ts'
import {
  commitOn,
  type OpenIndex,
  ORG,
  rejectsWith,
  WORKSPACE,
  withWorkspace,
} from './generation-index-fixture.ts'
import { gcPromises } from './generation-index-gc.ts'
import { historyPromises } from './generation-index-history.ts'
import { workspacePromises } from './generation-index-workspaces.ts'

/** Registers one test for each promise of the port `GenerationIndex`; every adapter runs them all. */
export function generationIndexConformance(name: string, open: OpenIndex): void {
  describe(`${name} keeps the promises of a generation index`, () => {
    workspacePromises(open)
    appendPromises(open)
    historyPromises(open)
    chunkPromises(open)
    gcPromises(open)
    lifetimePromises(open)
  })
}

function lifetimePromises(open: OpenIndex): void {
  test('after its end a handle rejects every call as unavailable, and ends twice without harm', () =>
    withWorkspace(open, async (index, lease) => {
      const commit = commitOn(lease, null)
      await index[Symbol.asyncDispose]()
      await index[Symbol.asyncDispose]()
      const calls = [
        index.createWorkspace({ id: 'ws-2', org: ORG }),
        index.workspace(WORKSPACE),
        index.workspaces(ORG),
        index.acquire(WORKSPACE),
        index.append(lease, commit),
        index.generation(commit.id),
        index.history(WORKSPACE, { limit: 1 }),
        index.markVerified(commit.id, 1),
        index.dropGenerations([commit.id]),
        index.chunkIndex(WORKSPACE),
        index.replaceIndex(lease, { replaces: [], baseObjects: [], newPacks: [], covered: [], gcSeen: 0 }),
        index.gcClock(ORG),
        index.packs(ORG, 'live'),
        index.condemnPacks(ORG, [], 1),
        index.reprievePacks(ORG, []),
        index.advanceBoundary(ORG, 0),
        index.forgetPacks(ORG, []),
      ]
      for (const call of calls) await rejectsWith('index-unavailable', call)
    }))
}

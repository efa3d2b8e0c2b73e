import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { emptyModel, indexCommands } from '@holdfast/testkit/generation-index-commands'
import { generationIndexConformance } from '@holdfast/testkit/generation-index-conformance'
import { describeHistory, type OpenedIndex, ORG, OTHER_ORG } from '@holdfast/testkit/generation-index-fixture'
import { indexHandlesConformance } from '@holdfast/testkit/generation-index-handles'
import fc from 'fast-check'
import { MemoryGenerationIndex } from './memory-generation-index.ts'
import { SqliteGenerationIndex } from './sqlite-generation-index.ts'

async function openSqlite(): Promise<Required<OpenedIndex>> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-index-'))
  const path = join(directory, 'history.db')
  const index = await SqliteGenerationIndex.open({ path })
  return {
    index,
    reopen: () => SqliteGenerationIndex.open({ path, mustExist: true }),
    close: async () => {
      await index[Symbol.asyncDispose]()
      await rm(directory, { recursive: true })
    },
  }
}

generationIndexConformance('the index in SQLite', openSqlite)
indexHandlesConformance('the index in SQLite', openSqlite)

test('through any calls, two handles on one SQLite file say what the index in memory says', async () => {
  await fc.assert(
    fc.asyncProperty(indexCommands(), async (commands) => {
      const opened = await openSqlite()
      const model = new MemoryGenerationIndex()
      try {
        await using other = await opened.reopen()
        const real = { handles: [opened.index, other], turn: 0 }
        await fc.asyncModelRun(() => ({ model: emptyModel(model), real }), commands)
        for (const handle of real.handles)
          assert.deepEqual(
            await describeHistory(handle, [ORG, OTHER_ORG]),
            await describeHistory(model, [ORG, OTHER_ORG]),
          )
      } finally {
        await opened.close()
      }
    }),
    { numRuns: process.env.HOLDFAST_LONG ? 1_000 : 25 },
  )
})

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import { MemoryGenerationIndex } from '../index/memory-generation-index.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { collectGarbage } from './collect-garbage.ts'
import { DamagedStore } from './damaged-store.fixture.ts'
import { drillGeneration } from './drill-generation.ts'
import { rebuildIndex } from './rebuild-index.ts'
import { verifyStore } from './verify-store.ts'
import { ORG, World } from './world.fixture.ts'

const CODES = ['store-denied', 'store-missing', 'store-unavailable', 'no-permission'] as const
const READS_MAX = 100

test('a store that begins to refuse at any read is never taken for a damaged one', async (t) => {
  const store = new DamagedStore(new MemoryObjectStore(systemClock))
  await using world = await World.make({ store })
  const workspace = await world.workspace('ws-1')
  for (let made = 0; made < 4; made++) {
    workspace.write(`f${made % 3}`, `line ${made} `.repeat(50))
    await workspace.commit()
  }
  const [id = ''] = [...workspace.model.keys()].slice(-1)
  const scratch = join(world.path, 'scratch')
  mkdirSync(scratch)
  const parts = { holdfs: world.holdfs, threads: 1, sealKey: null, isRoot: true }
  const operations = {
    verify: async () => assert.deepEqual((await verifyStore(world.deps, { org: ORG })).damaged, []),
    rebuild: async () => {
      const { damaged } = await rebuildIndex({ ...world.deps, index: new MemoryGenerationIndex() }, ORG)
      assert.deepEqual(damaged, [])
    },
    drill: async () => {
      const generation = await world.index.generation(id)
      const outcome = await drillGeneration(
        { ...world.deps, ...parts },
        { org: ORG, generation, scratch, mountPath: scratch },
      )
      assert.equal(outcome.kind, 'verified')
    },
    gc: async () => {
      await collectGarbage(world.deps, { org: ORG, graceMs: 0 })
    },
  }
  for (const [name, run] of Object.entries(operations)) {
    for (const code of CODES) {
      let refused = 0
      for (let reads = 0; ; reads++) {
        assert.ok(reads < READS_MAX)
        store.refusal = new Failure(code, 'not for you')
        store.readsLeft = reads
        const outcome = await run().catch((error: unknown) => error)
        if (store.readsLeft >= 0) break
        assert.ok(isFailure(outcome, code), `${name} at read ${reads}: ${outcome}`)
        refused++
      }
      t.diagnostic(`${name}: refused by ${code} at ${refused} reads`)
      store.heal()
    }
  }
  assert.deepEqual((await verifyStore(world.deps, { org: ORG })).damaged, [])
})

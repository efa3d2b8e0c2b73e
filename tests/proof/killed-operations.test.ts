import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Step } from '@holdfast/testkit/observed-ports'
import { type Boundary, runOperation } from './operation-process.ts'
import type { Operation } from './operations.ts'
import { TriedHome } from './tried-home.ts'

const LONG = process.env.HOLDFAST_LONG !== undefined
/** Homes in which one operation is killed and looked at beside another. */
const PARALLEL_HOMES = 2

/** The steps of each operation: a step that is met and not here fails the test, and so does one that is never met. */
const STEPS: Readonly<Record<Operation, readonly string[]>> = {
  commit: [
    'index.acquire',
    'index.workspace',
    'index.generation',
    'index.gcClock',
    'index.chunkIndex',
    'index.packs',
    'store.get packs',
    'holdfs.listDirectories',
    'holdfs.readXattrs',
    'store.put packs',
    'index.append',
    'index.history',
  ],
  restore: [
    'index.history',
    'index.chunkIndex',
    'index.packs',
    'store.get packs',
    'holdfs.applyAttributes',
    'holdfs.syncfs',
  ],
  compact: [
    'index.acquire',
    'index.gcClock',
    'index.history',
    'index.chunkIndex',
    'index.packs',
    'store.get packs',
    'store.put packs',
    'store.put index',
    'index.replaceIndex',
  ],
  collect: [
    'index.packs',
    'index.gcClock',
    'index.advanceBoundary',
    'index.workspaces',
    'index.history',
    'index.chunkIndex',
    'store.get index',
    'store.get packs',
    'index.reprievePacks',
    'store.list index',
    'store.put clock',
    'store.list clock',
    'store.delete clock',
    'store.list packs',
    'index.condemnPacks',
    'store.head packs',
    'store.delete packs',
    'index.forgetPacks',
    'store.delete index',
  ],
}

/** What changes nothing leaves nothing behind. */
const READS =
  /^(store\.(get|head|list) |index\.(workspaces?|generation|history|chunkIndex|gcClock|packs)$|holdfs\.read)/

/**
 * Before each step that changes something, before each other one the first time, and after the last; before and after
 * every single one where there is time. What lies on the disk after a step is there before the next one too.
 */
function boundariesOf(steps: readonly Step[]): Boundary[] {
  const signal = 'SIGKILL' as const
  if (LONG)
    return steps.flatMap((step) => (['before', 'after'] as const).map((when) => ({ step, when, signal })))
  const chosen = steps.filter(({ name, nth }) => nth === 1 || !READS.test(name))
  const last = steps.slice(-1).map((step) => ({ step, when: 'after' as const, signal }))
  return [...chosen.map((step) => ({ step, when: 'before' as const, signal })), ...last]
}

async function recordSteps(tried: TriedHome, operation: Operation): Promise<readonly Step[]> {
  const steps = await runOperation({ operation, home: tried.home, target: tried.target })
  if (steps === 'killed') return assert.fail('the operation was killed by somebody else')
  await tried.assertSound(operation)
  return steps
}

async function killAtEach(tried: TriedHome, operation: Operation, left: Boundary[]): Promise<void> {
  for (let boundary = left.shift(); boundary; boundary = left.shift()) {
    const where = `${boundary.when} ${boundary.step.name} ${boundary.step.nth}`
    tried.reset()
    const end = await runOperation({ operation, home: tried.home, target: tried.target, boundary })
    assert.equal(end, 'killed', `never got ${where}`)
    try {
      await tried.assertSound(operation)
    } catch (error) {
      throw new Error(`killed ${where}`, { cause: error })
    }
  }
}

describe('killed with -9 at any of its steps', () => {
  const promises: Readonly<Record<Operation, string>> = {
    commit: 'a commit leaves every acknowledged generation, and the next one succeeds',
    restore:
      'a restore shows nothing or all, and the next one to that path succeeds and removes what was left',
    compact: 'a compaction leaves every generation as it was, and the next one finishes its work',
    collect: 'a collection of garbage leaves every retained generation, and the next one finishes its work',
  }
  for (const operation of ['commit', 'restore', 'compact', 'collect'] as const) {
    test(promises[operation], async (t) => {
      using tried = await TriedHome.make(operation)
      using other = await TriedHome.make(operation)
      const steps = await recordSteps(tried, operation)
      assert.deepEqual([...new Set(steps.map(({ name }) => name))].sort(), STEPS[operation].toSorted())
      const left = boundariesOf(steps)
      t.diagnostic(`${steps.length} steps, killed at ${left.length} boundaries`)
      const homes = [tried, other].slice(0, PARALLEL_HOMES)
      await Promise.all(homes.map((home) => killAtEach(home, operation, left)))
    })
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MemoryGenerationIndex } from '../index/memory-generation-index.ts'
import { collectGarbage } from './collect-garbage.ts'
import { compactWorkspace } from './compact-workspace.ts'
import { COMPACTION_POLICY } from './compaction-plan.ts'
import { rebuildIndex } from './rebuild-index.ts'
import { verifyStore } from './verify-store.ts'
import { assertRestorable, ORG, World, type WorldWorkspace } from './world.fixture.ts'

const RUNS = process.env.HOLDFAST_LONG ? 1_000 : 12

type Step =
  | { readonly do: 'commit'; readonly workspace: number; readonly file: number; readonly content: number }
  | { readonly do: 'remove'; readonly workspace: number }
  | { readonly do: 'drop'; readonly workspace: number; readonly which: number }
  | { readonly do: 'compact'; readonly workspace: number }
  | { readonly do: 'fork'; readonly workspace: number }
  | { readonly do: 'collect' | 'reopen' }

const workspace = fc.nat(3)
const commit = fc.record({
  do: fc.constant('commit' as const),
  workspace,
  file: fc.nat(6),
  content: fc.nat(9),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: commit },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), workspace }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('drop' as const), workspace, which: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('compact' as const), workspace }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fork' as const), workspace }) },
  { weight: 3, arbitrary: fc.constant({ do: 'collect' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reopen' as const }) },
)

/** Packs are merged from four on, so that short histories meet every case. */
const policy = {
  ...COMPACTION_POLICY,
  smallPackBytes: 1 << 20,
  smallPacksMin: 4,
  liveShareMin: 0.6,
  deadShareMax: 0.2,
  stepBytesMax: 20_000,
}

class Run {
  readonly #world: World
  readonly #workspaces: WorldWorkspace[]

  constructor(world: World, first: WorldWorkspace) {
    this.#world = world
    this.#workspaces = [first]
  }

  async take(step: Step): Promise<void> {
    const at = 'workspace' in step ? step.workspace % this.#workspaces.length : 0
    const workspace = this.#workspaces[at]
    assert.ok(workspace)
    switch (step.do) {
      case 'commit':
        workspace.write(
          `d${step.file % 3}/f${step.file}`,
          `content ${step.content} `.repeat(200 + step.content * 40),
        )
        await workspace.commit({ always: true })
        break
      case 'remove':
        workspace.write('d1/last', 'something is left')
        workspace.remove('d1')
        await workspace.commit({ always: true })
        break
      case 'drop':
        await this.#drop(workspace, step.which)
        break
      case 'compact':
        await compactWorkspace(this.#world.deps, { lease: workspace.lease, always: true, policy })
        break
      case 'fork':
        await this.#fork(workspace)
        break
      case 'collect':
        await collectGarbage(this.#world.deps, { org: ORG })
        break
      case 'reopen':
        this.#workspaces[at] = await this.#reopen(workspace)
        break
    }
  }

  async #drop({ model, lease }: WorldWorkspace, which: number): Promise<void> {
    const { head } = await this.#world.index.workspace(lease.workspace)
    const ids = [...model.keys()].filter((id) => id !== head)
    const points = (await this.#world.index.workspaces(ORG)).map((row) => row.forkedFrom)
    const id = ids[which % Math.max(1, ids.length)]
    if (id !== undefined && !points.includes(id)) await this.#world.index.dropGenerations([id])
  }

  async #fork({ committer }: WorldWorkspace): Promise<void> {
    const { head } = committer
    if (head === null || this.#workspaces.length > 3) return
    this.#workspaces.push(await this.#world.workspace(`fork-${this.#workspaces.length}`, head.id))
  }

  /** Another process takes over: nothing is remembered but the directory and the history. */
  async #reopen(workspace: WorldWorkspace): Promise<WorldWorkspace> {
    const next = await this.#world.workspace(workspace.lease.workspace)
    for (const [id, expected] of workspace.model) next.model.set(id, expected)
    return next
  }

  async check(world = this.#world): Promise<void> {
    for (const { model } of this.#workspaces) await assertRestorable(world, model)
  }
}

test('whatever commits, drops, forks, compactions and collections follow one another, retained generations stay whole', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      await using world = await World.make()
      const run = new Run(world, await world.workspace('ws-1'))
      await run.take({ do: 'commit', workspace: 0, file: 0, content: 0 })
      for (const each of steps) await run.take(each)
      await run.check()
      await run.take({ do: 'collect' })
      await run.check()
      const { damaged, unreferenced } = await verifyStore(world.deps, { org: ORG })
      assert.deepEqual([damaged, unreferenced], [[], []])
      const index = new MemoryGenerationIndex()
      await rebuildIndex({ ...world.deps, index }, ORG)
      for (const { id, head } of await world.index.workspaces(ORG))
        if (head !== null) assert.equal((await index.workspace(id)).head, head)
    }),
    { numRuns: RUNS },
  )
})

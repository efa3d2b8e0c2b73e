import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { COMPACTION_POLICY } from '../maintenance/compaction-plan.ts'
import { RETENTION_POLICY } from '../maintenance/retention.ts'
import { World, type WorldWorkspace } from '../maintenance/world.fixture.ts'
import { CompactionChore } from './compaction-chore.ts'

const POLICY = { compaction: COMPACTION_POLICY, retention: RETENTION_POLICY }
const NEVER = Number.POSITIVE_INFINITY
const MINUTE_MS = 60_000

/** A chore beside the commits of a workspace, in a time of its own. */
class TimedChore {
  readonly clock = new ManualClock(systemClock.wallMs())
  readonly #workspace: WorldWorkspace
  readonly chore: CompactionChore

  private constructor(workspace: WorldWorkspace, chore: CompactionChore, clock: ManualClock) {
    this.#workspace = workspace
    this.chore = chore
    this.clock = clock
  }

  static async open(world: World, onGarbage = () => {}): Promise<TimedChore> {
    const clock = new ManualClock(systemClock.wallMs())
    const workspace = await world.workspace('ws-1')
    const deps = { ...world.deps, clock }
    const parts = { deps, lease: workspace.lease, policy: POLICY, onGarbage }
    return new TimedChore(workspace, await CompactionChore.open(parts), clock)
  }

  async commit(text: string): Promise<void> {
    this.#workspace.write('file', text)
    await this.#workspace.commit()
    this.chore.noteCommit({ newObjects: 1 })
  }

  /** Rounded to seconds. */
  dueInMs(): number {
    return Math.round((this.chore.dueAt() - this.clock.monotonicMs()) / 1000) * 1000
  }

  async runWhenDue(): Promise<void> {
    await this.clock.pass(this.chore.dueAt() - this.clock.monotonicMs())
    await this.chore.run(new AbortController().signal)
  }
}

test('packs are merged after five minutes, and a history that grows no more is thinned at each age and then left alone', async () => {
  let garbage = 0
  await using world = await World.make()
  const timed = await TimedChore.open(world, () => garbage++)
  assert.equal(timed.dueInMs(), NEVER)
  await timed.commit('first')
  assert.equal(timed.dueInMs(), 10 * MINUTE_MS)
  await timed.commit('second')
  assert.equal(timed.dueInMs(), 5 * MINUTE_MS)
  await timed.runWhenDue()
  assert.equal((await world.index.chunkIndex('ws-1')).deltaPacks.length, 0)
  assert.deepEqual([garbage, timed.chore.lastCompactedAt], [1, timed.clock.wallMs()])
  for (const minutes of [5, 50, 23 * 60]) {
    assert.equal(timed.dueInMs(), minutes * MINUTE_MS)
    await timed.runWhenDue()
  }
  assert.equal(timed.dueInMs(), NEVER)
})

test('many packs are merged at once, also those that a watch before this one left', async () => {
  await using world = await World.make()
  const before = await TimedChore.open(world)
  for (let made = 0; made < COMPACTION_POLICY.waitingPacksMax; made++) {
    assert.ok(before.dueInMs() > 0)
    await before.commit(`text ${made}`)
  }
  assert.equal(before.dueInMs(), 0)
  const after = await TimedChore.open(world)
  assert.equal(after.dueInMs(), 0)
  await after.runWhenDue()
  assert.equal(after.dueInMs(), NEVER)
})

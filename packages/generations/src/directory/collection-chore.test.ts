import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { ORG, World } from '../maintenance/world.fixture.ts'
import { CollectionChore } from './collection-chore.ts'

const MINUTE_MS = 60_000
const GRACE_MS = 60 * MINUTE_MS

function open(world: World, clock: ManualClock): CollectionChore {
  const policy = { collectEveryMs: 10 * MINUTE_MS, graceMs: GRACE_MS }
  return new CollectionChore({
    deps: { ...world.deps, clock },
    org: ORG,
    folder: join(world.path, 'collecting'),
    policy,
  })
}

/** A history with a pack that nobody needs. */
async function makeGarbage(world: World): Promise<void> {
  const workspace = await world.workspace('ws-1')
  workspace.write('file', 'first')
  const first = await workspace.commit()
  workspace.write('file', 'second')
  await workspace.commit()
  await world.index.dropGenerations([first])
}

test('garbage is removed after its grace, by the first watch of an org, and then nothing is due', async () => {
  const clock = new ManualClock(systemClock.wallMs())
  await using world = await World.make()
  await makeGarbage(world)
  const [chore, other] = [open(world, clock), open(world, clock)]
  assert.equal(chore.dueAt() - clock.monotonicMs(), 10 * MINUTE_MS)
  await clock.pass(10 * MINUTE_MS)
  const { signal } = new AbortController()
  const run = chore.run(signal)
  await clock.pass(GRACE_MS - 1)
  assert.equal((await world.index.packs(ORG, 'condemned')).length, 1)
  await other.run(signal)
  assert.deepEqual([other.lastCollectedAt, other.dueAt() - clock.monotonicMs()], [null, 10 * MINUTE_MS])
  await clock.pass(1)
  await run
  assert.equal((await world.index.packs(ORG, 'deleted')).length, 1)
  assert.deepEqual([chore.lastCollectedAt, chore.dueAt()], [clock.wallMs(), Number.POSITIVE_INFINITY])
  chore.noteGarbage()
  assert.equal(chore.dueAt() - clock.monotonicMs(), 10 * MINUTE_MS)
})

test('a collection that is given up in its grace is finished by a later one', async () => {
  const clock = new ManualClock(systemClock.wallMs())
  await using world = await World.make()
  await makeGarbage(world)
  const chore = open(world, clock)
  const stop = new AbortController()
  const run = chore.run(stop.signal)
  run.catch(() => {})
  await clock.pass(1000)
  stop.abort()
  await assert.rejects(run)
  await clock.pass(2 * GRACE_MS)
  await open(world, clock).run(new AbortController().signal)
  assert.equal((await world.index.packs(ORG, 'deleted')).length, 1)
})

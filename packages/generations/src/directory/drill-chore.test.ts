import assert from 'node:assert/strict'
import { mkdirSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { ORG, World, type WorldWorkspace } from '../maintenance/world.fixture.ts'
import { DrillChore, refuseWithoutRoom } from './drill-chore.ts'

const HOUR_MS = 3600_000
const NEVER = Number.POSITIVE_INFINITY

interface Opened {
  readonly chore: DrillChore
  readonly clock: ManualClock
  readonly scratch: string
}

async function open(world: World, workspace: WorldWorkspace): Promise<Opened> {
  const clock = new ManualClock(systemClock.wallMs())
  const scratch = join(world.path, 'drills')
  mkdirSync(join(scratch, 'left-by-a-killed-one'), { recursive: true })
  const chore = await DrillChore.open({
    deps: { ...world.deps, clock, sealKey: null, isRoot: true },
    org: ORG,
    workspace: workspace.lease.workspace,
    scratch,
    mountPath: workspace.path,
    policy: { drillEveryMs: 24 * HOUR_MS, drillFirstMs: HOUR_MS },
  })
  return { chore, clock, scratch }
}

function dueInHours({ chore, clock }: Opened): number {
  return Math.round((chore.dueAt() - clock.monotonicMs()) / HOUR_MS)
}

test('a history that was never verified is drilled after an hour, then once a day while it grows', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  const first = await open(world, workspace)
  assert.equal(dueInHours(first), NEVER)
  assert.ok(!readdirSync(world.path).includes('drills'))
  workspace.write('file', 'text')
  const id = await workspace.commit()
  first.chore.noteCommit()
  assert.equal(dueInHours(first), 1)
  await first.chore.run(new AbortController().signal)
  assert.equal(first.chore.lastDrill?.problem, null)
  assert.ok((await world.index.generation(id)).verifiedAt !== null)
  assert.ok(!readdirSync(world.path).includes('drills'))
  assert.equal(dueInHours(first), NEVER)
  first.chore.noteCommit()
  assert.equal(dueInHours(first), 24)
  const next = await open(world, workspace)
  assert.equal(dueInHours(next), NEVER)
  next.chore.noteCommit()
  assert.equal(dueInHours(next), 24)
})

test('a drill that the disk has no room for is refused before it restores anything', () => {
  refuseWithoutRoom({ bytes: 1000, sequence: 1 }, tmpdir())
  assert.throws(
    () => refuseWithoutRoom({ bytes: 1e18, sequence: 1 }, tmpdir()),
    (error) => isFailure(error, 'volume-full'),
  )
})

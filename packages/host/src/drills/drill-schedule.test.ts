import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import type { ReportedEvent } from '@holdfast/protocol/control-calls'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { BrowseWorld, refuses } from '../browse/browse-world.fixture.ts'
import { DrillRunner } from './drill-runner.ts'
import { DrillSchedule } from './drill-schedule.ts'

const NEVER = new AbortController().signal

function runnerOf(world: BrowseWorld): DrillRunner {
  return new DrillRunner({ ...world.engine, scratch: world.path, mountPath: world.source, isRoot: true })
}

/** Turns a byte over in every pack of the store. */
function damage(world: BrowseWorld): void {
  const folder = join(world.path, 'store')
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !/[0-9a-f]{32}$/.test(entry.name)) continue
    const bytes = readFileSync(path)
    bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100)
    writeFileSync(path, bytes)
  }
}

/** A schedule over the workspaces of a world, and what it reports. */
class Running implements AsyncDisposable {
  /** Begins with the clock of the runner, which marks what it has proven. */
  readonly clock = new ManualClock(systemClock.wallMs())
  readonly events: ReportedEvent[] = []
  readonly defects: unknown[] = []
  refusals = 0
  readonly schedule: DrillSchedule
  readonly #end = new AbortController()
  readonly #ended: Promise<void>

  constructor(world: BrowseWorld) {
    this.schedule = new DrillSchedule({
      ...{ runner: runnerOf(world), index: world.index, clock: this.clock, randomness: systemRandomness },
      workspaces: async () => [world.of],
      report: async (event) => {
        if (this.refusals-- > 0) throw new Failure('index-unavailable', 'control is away')
        this.events.push(event)
      },
      onDefect: (defect) => this.defects.push(defect),
      policy: { lookEveryMs: 1000, everyMs: 3600_000 },
    })
    this.#ended = this.schedule.run(this.#end.signal)
  }

  /** Lets time pass in looks until there are so many events. */
  async until(events: number): Promise<ReportedEvent[]> {
    for (let left = 200; this.events.length < events; left--) {
      assert.ok(left > 0, 'it was reported')
      await delay(50)
      await this.clock.pass(1000)
    }
    return this.events
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    await this.#ended
    assert.deepEqual(this.defects, [])
  }
}

test('a generation is proven on request, or told as damaged with what is whole', async () => {
  await using world = await BrowseWorld.open()
  const runner = runnerOf(world)
  await refuses(runner.drill({ ...world.of, generation: null }, NEVER), 'not-found')
  world.write('a', 'some words')
  world.sql('app.db', 'CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)')
  const id = await world.commit()
  const proven = await runner.drill({ ...world.of, generation: null }, NEVER)
  assert.deepEqual([proven.generation, proven.outcome], [id, 'verified'])
  assert.match(proven.detail, /2 files, .* 1 databases with 2 rows/)
  assert.notEqual((await world.index.generation(id)).verifiedAt, null)
  damage(world)
  const broken = await runner.drill({ ...world.of, generation: id }, NEVER)
  assert.equal(broken.outcome, 'damaged')
  assert.match(broken.detail, /newest whole generation: none/)
  assert.deepEqual(readdirSync(join(world.path, 'drills')), [])
  await assert.rejects(runner.drill({ ...world.of, generation: id }, AbortSignal.abort()), {
    name: 'AbortError',
  })
})

test('the generation of a stop is proven at once and reported, also when nobody takes the report at first', async () => {
  await using world = await BrowseWorld.open()
  await using running = new Running(world)
  running.refusals = 2
  world.write('a', '1')
  const first = await world.commit()
  running.schedule.noteStopped(world.of)
  const [event] = await running.until(1)
  assert.equal(event?.type, 'drill_result')
  assert.equal(event?.workspace, world.workspace)
  assert.deepEqual([event?.payload.generation, event?.payload.outcome], [first, 'verified'])
  assert.notEqual((await world.index.generation(first)).verifiedAt, null)
})

test('without a stop, a newest generation that was never proven comes to its turn, and again once its proof is old', async () => {
  await using world = await BrowseWorld.open()
  world.write('a', '1')
  const id = await world.commit()
  await using running = new Running(world)
  await running.until(1)
  await running.clock.pass(1800_000)
  await delay(200)
  assert.equal(running.events.length, 1, 'not before it is due')
  await running.clock.pass(1800_000)
  const [, again] = await running.until(2)
  assert.equal(again?.payload.generation, id)
  assert.ok(!existsSync(join(world.path, 'drills')) || readdirSync(join(world.path, 'drills')).length === 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { collectGarbage } from './collect-garbage.ts'
import { compactWorkspace } from './compact-workspace.ts'
import { thinHistory } from './thin-history.ts'
import { verifyStore } from './verify-store.ts'
import { assertRestorable, ORG, World, type WorldWorkspace } from './world.fixture.ts'

const RACE_MS = process.env.HOLDFAST_LONG ? 600_000 : 5_000
const CONTENTS = 12

/** Readers in flight: the grace lasts until those that began before it have come to their end. */
class Readers {
  readonly #running = new Set<Promise<unknown>>()

  async read<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    return work.finally(() => this.#running.delete(work))
  }

  async grace(): Promise<void> {
    await Promise.allSettled([...this.#running])
  }
}

/** Writes from a small set of contents, so that what was garbage comes back all the time. */
async function writeAndCommit(workspace: WorldWorkspace, next: () => number): Promise<boolean> {
  for (let edits = 0; edits < 3; edits++) {
    const content = Math.floor(next() * CONTENTS)
    workspace.write(
      `d${Math.floor(next() * 3)}/f${Math.floor(next() * 4)}`,
      `content ${content} `.repeat(300),
    )
  }
  try {
    if (next() < 0.2) await workspace.committer.prepare(workspace.image)
    await workspace.commit({ always: true })
    return true
  } catch (error) {
    assert.ok(isFailure(error, 'gc-expired'), String(error))
    return false
  }
}

test('while commits, forks, restores, compaction and GC run at once, no generation loses a chunk', async () => {
  const readers = new Readers()
  const grace = async () => {
    await readers.grace()
    await systemClock.sleep(next() < 0.7 ? 80 : 0)
  }
  const next = seededNumbers(99)
  const clock = { ...systemClock, sleep: grace }
  await using world = await World.make({ clock })
  const workspaces = [await world.workspace('ws-1'), await world.workspace('ws-2')]
  const endsAt = performance.now() + RACE_MS
  const counts = { commits: 0, expired: 0, restores: 0, forks: 0, collected: 0 }

  const write = async (workspace: WorldWorkspace) => {
    while (performance.now() < endsAt) {
      if (await writeAndCommit(workspace, next)) counts.commits += 1
      else counts.expired += 1
    }
  }
  const restore = async () => {
    while (performance.now() < endsAt) {
      for (const { model } of [...workspaces]) {
        const [id, expected] = [...model].at(-1) ?? []
        if (id === undefined) continue
        const row = await world.index.generation(id)
        const found = await readers.read(world.stored(row))
        assert.deepEqual(found.size, expected?.size)
        counts.restores += 1
      }
      await systemClock.sleep(20)
    }
  }
  const fork = async () => {
    while (performance.now() < endsAt) {
      const [source] = workspaces
      const head = source?.committer.head
      if (head && counts.forks < 4) {
        const forked = await world.workspace(`fork-${counts.forks}`, head.id)
        counts.forks += 1
        await writeAndCommit(forked, next)
        workspaces.push(forked)
      }
      await systemClock.sleep(RACE_MS / 8)
    }
  }
  const tidy = async () => {
    while (performance.now() < endsAt) {
      for (const { lease } of [...workspaces]) {
        await thinHistory(world.deps, lease, {
          wallMs: systemClock.wallMs() + 1e6,
          policy: [{ fromMs: 0, everyMs: 1e6 + 300 }],
        })
        try {
          await compactWorkspace(world.deps, { lease, always: next() < 0.3 })
        } catch (error) {
          assert.ok(isFailure(error, 'gc-expired'), String(error))
        }
      }
      counts.collected += (await collectGarbage(world.deps, { org: ORG })).deletedPacks
      await systemClock.sleep(next() * 200)
    }
  }
  await Promise.all([...workspaces.map(write), restore(), fork(), tidy()])
  for (const { model } of workspaces) await assertRestorable(world, model)
  assert.deepEqual((await verifyStore(world.deps, { org: ORG })).damaged, [])
  for (const [what, count] of Object.entries(counts))
    if (what !== 'expired') assert.ok(count > 2, `${what}: ${count}`)
})

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Acknowledged, AppendLoop } from '@holdfast/testkit/append-loop'
import { withCrashableExt4 } from '@holdfast/testkit/ext4-image'
import { ORG, WORKSPACE } from '@holdfast/testkit/generation-index-fixture'
import type { GenerationRow } from './generation-index.ts'
import { SqliteGenerationIndex } from './sqlite-generation-index.ts'

const ENDLESS = { rounds: 1, appends: 1_000_000 }

async function createHistory(path: string): Promise<void> {
  await using index = await SqliteGenerationIndex.open({ path })
  await index.createWorkspace({ id: WORKSPACE, org: ORG })
}

/** The whole history, oldest first, after SQLite's own check and a check of its chain. */
async function readHistory(path: string): Promise<readonly GenerationRow[]> {
  await using index = await SqliteGenerationIndex.open({ path, mustExist: true })
  const rows = (await index.history(WORKSPACE, { limit: 10_000 })).toReversed()
  for (const [at, row] of rows.entries()) {
    assert.equal(row.sequence, at + 1)
    assert.equal(row.parent, at === 0 ? null : rows[at - 1]?.id)
    assert.ok(row.epoch >= (rows[at - 1]?.epoch ?? 0), 'an older epoch committed after a newer one')
  }
  assert.equal((await index.workspace(WORKSPACE)).head, rows.at(-1)?.id ?? null)
  assert.equal((await index.chunkIndex(WORKSPACE)).deltaPacks.length, rows.length)
  using database = new DatabaseSync(path)
  assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
  return rows
}

function assertContains(rows: readonly GenerationRow[], acks: readonly Acknowledged[]): void {
  const epochs = new Map(rows.map((row) => [row.id, row.epoch]))
  for (const ack of acks) assert.equal(epochs.get(ack.id), ack.epoch, `lost: ${ack.id}`)
}

test('two processes that take the lease from each other: only the newest epoch commits, and nothing is lost', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-index-'))
  try {
    const path = join(directory, 'history.db')
    await createHistory(path)
    const count = { rounds: 30, appends: 12 }
    await using first = new AppendLoop(path, WORKSPACE, count)
    await using second = new AppendLoop(path, WORKSPACE, count)
    await Promise.all([first.ready(), second.ready()])
    for (const loop of [first, second]) loop.begin()
    await Promise.all([first.ended(), second.ended()])
    assert.ok(first.done && second.done)
    const rows = await readHistory(path)
    assertContains(rows, first.acks)
    assertContains(rows, second.acks)
    assert.equal(rows.length, first.acks.length + second.acks.length)
    const lost = [...first.refusals, ...second.refusals].filter(({ code }) => code === 'lease-lost')
    assert.ok(lost.length > 0, 'the processes never met')
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('a process killed while it appends loses nothing that it acknowledged', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-index-'))
  try {
    const path = join(directory, 'history.db')
    await createHistory(path)
    const acks: Acknowledged[] = []
    for (let life = 1; life <= 3; life += 1) {
      await using loop = new AppendLoop(path, WORKSPACE, ENDLESS)
      loop.begin()
      await loop.acknowledged(30 + life)
      loop.signal('SIGKILL')
      await loop.ended()
      acks.push(...loop.acks)
      const rows = await readHistory(path)
      assertContains(rows, acks)
      assert.ok(rows.length <= acks.length + life, 'more than the commit in flight came without an ack')
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('a loss of power loses nothing that was acknowledged', async () => {
  await withCrashableExt4(64 * 1024 * 1024, async (mountDir, crash) => {
    const path = join(mountDir, 'history.db')
    await createHistory(path)
    await using loop = new AppendLoop(path, WORKSPACE, ENDLESS)
    loop.begin()
    for (const acks of [1, 60, 250]) {
      await loop.acknowledged(acks)
      loop.signal('SIGSTOP')
      await delay(100)
      const heard = [...loop.acks]
      await crash(async (copyDir) => assertContains(await readHistory(join(copyDir, 'history.db')), heard))
      loop.signal('SIGCONT')
    }
  })
})

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import type { CommittedGeneration } from '@holdfast/generations/commit/committer'
import { LiveVolume } from '@holdfast/generations/volume/live-volume'
import type { Capture } from '@holdfast/generations/volume/volume'
import { auditBank, BANK } from './bank-audit.ts'
import { type CommittedCaptures, Engine } from './engine.ts'
import { ProvingGround } from './proving-ground.ts'
import { RunningWriter } from './running-writer.ts'

const LONG = process.env.HOLDFAST_LONG !== undefined
const COMMITS = LONG ? 500 : 16
const ATTEMPTS_MAX = 5
/** More than the size from which databases are pinned. */
const FILLER_BYTES = 20 << 20

interface Rig {
  readonly ground: ProvingGround
  readonly history: CommittedCaptures
  readonly volume: LiveVolume
  readonly writer: RunningWriter
}

/** A bank in a plain directory, written at full speed by a process that nobody stops. */
async function withBank(journalMode: string, use: (rig: Rig) => Promise<void>): Promise<void> {
  await ProvingGround.use(async (ground) => {
    await using engine = await Engine.open(ground.holdfs, ground.scratch)
    const directory = join(ground.mountDir, 'plain')
    mkdirSync(directory)
    await using writer = await RunningWriter.start({
      program: 'bank-writer.py',
      arguments: [BANK, journalMode, 'FULL', '0', 'native'],
      directory,
      scratch: ground.scratch,
      launcher: null,
    })
    await writer.reached(20)
    const deps = { clock: systemClock, randomness: systemRandomness, holdfs: ground.holdfs }
    await using volume = new LiveVolume(deps, directory)
    await use({ ground, history: await engine.openWorkspace(), volume, writer })
  })
}

/** As `hold dir commit` does: what changes while it is read is read again. */
async function commitRunning({ volume, history }: Rig): Promise<CommittedGeneration> {
  for (let attempt = 1; ; attempt++) {
    await using capture = await volume.capture(null)
    try {
      return await commitCapture(history, capture)
    } catch (error) {
      if (!isFailure(error, 'file-unstable') || attempt === ATTEMPTS_MAX) throw error
    }
  }
}

async function commitCapture(history: CommittedCaptures, capture: Capture): Promise<CommittedGeneration> {
  const generation = await history.commit(capture.image)
  await capture.accept(generation.id)
  return generation
}

function isCaptured({ notices }: CommittedGeneration): boolean {
  return !notices.some(({ reason }) => reason === 'not-captured')
}

for (const journalMode of ['wal', 'delete', 'truncate', 'persist']) {
  test(`each commit of a running bank with journal mode ${journalMode} holds it after some transaction`, async (t) => {
    await withBank(journalMode, async (rig) => {
      let captured = 0
      let last = 0
      for (let commit = 1; commit <= COMMITS; commit++) {
        const acknowledged = rig.writer.acknowledged()
        const generation = await commitRunning(rig)
        if (!isCaptured(generation)) continue
        captured++
        await rig.history.whileRestored(generation, (path) => {
          const { faults, transactions } = auditBank(path, rig.ground.scratch)
          assert.deepEqual(faults, [], `commit ${commit}`)
          assert(transactions >= acknowledged, `commit ${commit} lacks transaction ${acknowledged}`)
          last = transactions
        })
      }
      t.diagnostic(`${captured} of ${COMMITS} commits hold the bank, the last after ${last} transactions`)
      assert(captured >= COMMITS / 2, 'most commits hold the bank')
    })
  })
}

function fill(directory: string): void {
  const database = new DatabaseSync(join(directory, BANK), { timeout: 10_000 })
  database.exec('CREATE TABLE filler (content BLOB)')
  database.exec(`INSERT INTO filler VALUES (randomblob(${FILLER_BYTES}))`)
  database.close()
}

/** Bytes that this process and its threads have asked the kernel to read. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1])
}

test('a large bank is pinned: later captures read what changed, frozen or not, and each holds it', async (t) => {
  await withBank('wal', async (rig) => {
    fill(rig.volume.path)
    await commitRunning(rig)
    const commits: { generation: CommittedGeneration; acknowledged: number; read: number }[] = []
    const freezer = { cgroups: [rig.writer.cgroup.path], pids: () => [] }
    for (let commit = 1; commit <= COMMITS; commit++) {
      await rig.writer.reached(rig.writer.acknowledged() + 5)
      const before = bytesRead()
      const acknowledged = rig.writer.acknowledged()
      await using capture = await rig.volume.capture(commit % 2 === 0 ? freezer : null)
      const generation = await commitCapture(rig.history, capture)
      commits.push({ generation, acknowledged, read: bytesRead() - before })
    }
    for (const { generation, acknowledged } of commits) {
      await rig.history.whileRestored(generation, (path) => {
        const { faults, transactions } = auditBank(path, rig.ground.scratch)
        assert.deepEqual(faults, [], `generation ${generation.sequence}`)
        assert(transactions >= acknowledged, `generation ${generation.sequence} lacks ${acknowledged}`)
      })
    }
    const read = commits.map((commit) => commit.read)
    const middle = read.toSorted((a, b) => a - b)[COMMITS >> 1] ?? Number.NaN
    t.diagnostic(
      `a capture reads ${(middle / 1e6).toFixed(1)} MB, at most ${(Math.max(...read) / 1e6).toFixed(1)}`,
    )
    assert(middle < FILLER_BYTES / 2, `a capture reads ${middle} bytes`)
  })
})

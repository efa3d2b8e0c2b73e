import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertSameBank, auditBank, BANK, type Found } from './bank-audit.ts'
import { Engine } from './engine.ts'
import { ProvingGround } from './proving-ground.ts'
import { buildFsyncSuppressor, RunningWriter } from './running-writer.ts'

const LONG = process.env.HOLDFAST_LONG !== undefined
const CAPTURES = LONG ? 1000 : 200
/** One capture in so many is also committed by the engine, and one in so many restored from it and compared. */
const COMMIT_EVERY = 5
const RESTORE_EVERY = 25

/** What the slowest writer does on a busy disk while it is captured, and more. */
const TRANSACTIONS_MIN = 40

const JOURNAL_MODES = ['wal', 'delete', 'truncate', 'persist'] as const
const FSYNCS = [
  { name: 'synchronous FULL', synchronous: 'FULL', suppressed: false },
  { name: 'synchronous OFF', synchronous: 'OFF', suppressed: false },
  { name: 'fsync suppressed', synchronous: 'FULL', suppressed: true },
] as const
const MMAP_BYTES = [0, 64 << 20] as const

interface Combination {
  readonly journalMode: (typeof JOURNAL_MODES)[number]
  readonly fsync: (typeof FSYNCS)[number]
  readonly mmapBytes: (typeof MMAP_BYTES)[number]
}

const COMBINATIONS: readonly Combination[] = JOURNAL_MODES.flatMap((journalMode) =>
  FSYNCS.flatMap((fsync) => MMAP_BYTES.map((mmapBytes) => ({ journalMode, fsync, mmapBytes }))),
)

interface Rig {
  readonly ground: ProvingGround
  readonly engine: Engine
  readonly launcher: string
}

async function proveCaptures(rig: Rig, { journalMode, fsync, mmapBytes }: Combination): Promise<string> {
  const { ground, engine } = rig
  return ground.withVolume(async (volume) => {
    await using writer = await RunningWriter.start({
      program: 'bank-writer.py',
      arguments: [
        BANK,
        journalMode,
        fsync.synchronous,
        `${mmapBytes}`,
        fsync.suppressed ? 'suppressed' : 'native',
      ],
      directory: volume.path,
      scratch: ground.scratch,
      launcher: fsync.suppressed ? rig.launcher : null,
    })
    await writer.reached(20)
    const history = await engine.openWorkspace()
    const seen: Record<Found, number> = { frames: 0, 'hot journal': 0, settled: 0 }
    let last = 0
    for (let capture = 1; capture <= CAPTURES; capture++) {
      const before = writer.acknowledged()
      await volume.captured(writer, async (snapshot) => {
        const after = writer.acknowledged()
        const { faults, found, transactions } = auditBank(snapshot.path, ground.scratch)
        assert.deepEqual(faults, [], `capture ${capture}`)
        assert(
          transactions >= before,
          `capture ${capture} lacks transaction ${before}, which was acknowledged`,
        )
        assert(transactions <= after + 1, `capture ${capture} holds transaction ${transactions} of ${after}`)
        assert(transactions >= last, `capture ${capture} fell back from ${last} to ${transactions}`)
        last = transactions
        seen[found] += 1
        if (capture % COMMIT_EVERY !== 0) return
        const generation = await history.commit(snapshot)
        assert.equal(generation.databases, 1)
        if (capture % RESTORE_EVERY !== 0) return
        await history.whileRestored(generation, (path) => assertSameBank(path, snapshot.path, ground.scratch))
      })
    }
    assert(last >= TRANSACTIONS_MIN, `the writer did only ${last} transactions`)
    assert(seen[journalMode === 'wal' ? 'frames' : 'hot journal'] > 0, JSON.stringify(seen))
    return `${CAPTURES} captures, ${last} transactions, ${JSON.stringify(seen)}`
  })
}

test('every capture of a bank that is written at full speed is one instant of it', async (t) => {
  await ProvingGround.use(async (ground) => {
    await using engine = await Engine.open(ground.holdfs, ground.scratch)
    const launcher = await buildFsyncSuppressor(ground.scratch)
    for (const combination of COMBINATIONS) {
      const { journalMode, fsync, mmapBytes } = combination
      const name = `${journalMode.toUpperCase()}, ${fsync.name}, mmap ${mmapBytes > 0 ? 'on' : 'off'}`
      await t.test(name, async (subtest) => {
        subtest.diagnostic(await proveCaptures({ ground, engine, launcher }, combination))
      })
    }
  })
})

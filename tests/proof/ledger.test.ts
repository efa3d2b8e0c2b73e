import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Engine } from './engine.ts'
import { auditLedger, FILES, LEDGER } from './ledger-audit.ts'
import { ProvingGround } from './proving-ground.ts'
import { buildFsyncSuppressor, RunningWriter } from './running-writer.ts'

const RESTORES = process.env.HOLDFAST_LONG === undefined ? 25 : 250

const WRITERS = [
  { journalMode: 'wal', synchronous: 'FULL', fsync: 'native' },
  { journalMode: 'wal', synchronous: 'OFF', fsync: 'native' },
  { journalMode: 'delete', synchronous: 'OFF', fsync: 'native' },
  { journalMode: 'wal', synchronous: 'FULL', fsync: 'suppressed' },
  { journalMode: 'delete', synchronous: 'FULL', fsync: 'suppressed' },
] as const

interface Rig {
  readonly ground: ProvingGround
  readonly engine: Engine
  readonly launcher: string
}

async function proveRestores(rig: Rig, writes: (typeof WRITERS)[number]): Promise<string> {
  const { ground, engine } = rig
  const { journalMode, synchronous, fsync } = writes
  return ground.withVolume(async (volume) => {
    await using writer = await RunningWriter.start({
      program: 'ledger-writer.py',
      arguments: [LEDGER, journalMode, synchronous, FILES, fsync],
      directory: volume.path,
      scratch: ground.scratch,
      launcher: fsync === 'suppressed' ? rig.launcher : null,
    })
    await writer.reached(40)
    const history = await engine.openWorkspace()
    const behind = [0, 0]
    let last = 0
    for (let capture = 1; capture <= RESTORES; capture++) {
      const before = writer.acknowledged()
      const generation = await volume.captured(writer, (snapshot) => history.commit(snapshot))
      await history.whileRestored(generation, (path) => {
        const { rows, files } = auditLedger(path)
        assert(rows >= before && rows >= last, `restore ${capture} lacks row ${Math.max(before, last)}`)
        behind[rows - files] = (behind[rows - files] ?? 0) + 1
        last = rows
      })
    }
    return `${RESTORES} restores up to row ${last}; the file of the last row was there in ${behind[0]}`
  })
}

test('every restore of rows and files that are written in turn holds the file of each row but perhaps the last', async (t) => {
  await ProvingGround.use(async (ground) => {
    await using engine = await Engine.open(ground.holdfs, ground.scratch)
    const launcher = await buildFsyncSuppressor(ground.scratch)
    for (const writes of WRITERS) {
      const { journalMode, synchronous, fsync } = writes
      await t.test(
        `${journalMode.toUpperCase()}, synchronous ${synchronous}, fsync ${fsync}`,
        async (subtest) => {
          subtest.diagnostic(await proveRestores({ ground, engine, launcher }, writes))
        },
      )
    }
  })
})

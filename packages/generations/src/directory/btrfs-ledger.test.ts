import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cgroupVersions, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import { until } from '@holdfast/testkit/until'
import { KeptDirectory } from './kept-directory.fixture.ts'
import { openVolume } from './open-volume.ts'
import { hasTable, readLedger } from './watch-ledger.fixture.ts'
import { acceptOutcome } from './watch-rounds.ts'

const WRITER = new URL('./ledger-writer.fixture.ts', import.meta.url).pathname

const CAPTURES = process.env.HOLDFAST_LONG === undefined ? 15 : 100

test('each capture of a writer at full speed is one cut of a database and its files', (t) =>
  assertCuts(t, 'wal', CAPTURES))

test('it is so with a rollback journal', (t) => assertCuts(t, 'delete', CAPTURES))

/** Restores every generation from the store, and checks it. */
async function assertCuts(t: TestContext, journal: 'wal' | 'delete', captures: number): Promise<void> {
  await using kept = await KeptDirectory.make('btrfs')
  const [version] = cgroupVersions()
  assert.ok(version)
  const frozenMs: number[] = []
  {
    await using cgroup = new FreezerCgroup(version)
    await cgroup.spawn(`exec '${process.execPath}' '${WRITER}' ${journal}`, kept.path)
    await until('the ledger begins', () => existsSync(join(kept.path, 'entry-1')))
    using writer = await kept.directory.openWriter()
    await using volume = await openVolume(kept.directory)
    for (let taken = 0; taken < captures; taken++) {
      await using capture = await volume.capture({ cgroups: [cgroup.path], pids: () => [] })
      assert.equal(capture.image.changes.kind, taken === 0 ? 'unknown' : 'listed')
      const outcome = await writer.commit(capture.image, { cause: 'periodic', message: '' })
      await acceptOutcome(capture, outcome)
      frozenMs.push(capture.frozenMs)
    }
    assert.equal(cgroup.isFrozen(), false)
  }
  let seen = 0
  const history = await kept.directory.history(captures)
  for (const generation of history.toReversed()) {
    assert.equal(generation.consistency, 'cut')
    const restored = await kept.restored(generation)
    if (existsSync(join(restored, 'ledger.db')) && hasTable(restored)) {
      const { rows, files } = readLedger(restored)
      const said = `generation ${generation.sequence}: ${rows} rows, ${files} files`
      assert.ok(files === rows || files === rows - 1, said)
      assert.ok(rows >= seen, `history goes forward: ${said}`)
      seen = rows
    }
    rmSync(restored, { recursive: true })
  }
  assert.equal(history.length, captures)
  assert.ok(seen > 1)
  frozenMs.sort((a, b) => a - b)
  const percentile = (share: number) => frozenMs[Math.floor(frozenMs.length * share)]?.toFixed(1)
  t.diagnostic(`${seen} rows; frozen ms: p50 ${percentile(0.5)}, p95 ${percentile(0.95)}`)
}

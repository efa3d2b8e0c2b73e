import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { forkDirectory } from '@holdfast/generations/directory/fork-directory'
import { rollbackDirectory } from '@holdfast/generations/directory/rollback-directory'
import { cgroupVersions, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import type { BenchRun } from '../bench-run.ts'
import { BtrfsDirectory, type OpenDirectory } from '../btrfs-directory.ts'
import { median, quantile } from '../measure.ts'
import { ledgerSteps } from '../workloads/ledger.ts'
import { changeTenFiles, makeSmallFiles } from '../workloads/w1.ts'
import { makeLargeFile } from '../workloads/w2.ts'

const LEDGER = join(import.meta.dirname, '../workloads/ledger.ts')
const TURNS = 5

export const BTRFS_CASES = [
  'w1-nothing-btrfs',
  'w1-ten-btrfs',
  'freeze',
  'slowdown',
  'checkpoint',
  'fork',
  'rollback',
]

/** What a btrfs volume makes quick: it tells what changed, and keeps the newest generations as snapshots. */
export async function runBtrfsVolume(bench: BenchRun): Promise<void> {
  const wants = (names: readonly string[]) => names.some((name) => bench.wants(name))
  if (process.getuid?.() !== 0) {
    bench.say('btrfs volumes need root: no rows')
    return
  }
  if (wants(['w1-nothing-btrfs', 'w1-ten-btrfs'])) await runListedCommits(bench)
  if (wants(['freeze', 'slowdown', 'checkpoint'])) await runCaptures(bench)
  if (wants(['fork', 'rollback'])) await runLocal(bench)
}

/** Commits of W1 where the volume knows what changed. */
async function runListedCommits(bench: BenchRun): Promise<void> {
  bench.say('w1 on btrfs')
  const files = bench.quick ? 10_000 : 100_000
  await using begun = await BtrfsDirectory.init(bench.disk.folder('btrfs-w1'))
  makeSmallFiles(begun.path, files)
  await using open = await begun.open()
  await open.commit()
  const nothing: number[] = []
  const ten: number[] = []
  for (let turn = 1; turn <= TURNS; turn++) {
    changeTenFiles(begun.path, files, turn)
    ten.push(await wallS(() => open.commit()))
    nothing.push(await wallS(() => open.commit()))
  }
  report(bench, 'w1-ten-btrfs', 'wall_s', median(ten))
  report(bench, 'w1-nothing-btrfs', 'wall_s', median(nothing))
}

const WARM_UP_MS = 2000
const WINDOW_MS = 5000

/** Captures once a second of a writer at full speed. */
async function runCaptures(bench: BenchRun): Promise<void> {
  bench.say('captures of a ledger')
  await using begun = await BtrfsDirectory.init(bench.disk.folder('btrfs-ledger'))
  await using cgroup = new FreezerCgroup(cgroupVersions()[0] ?? 2)
  const count = join(begun.folder, 'count')
  writeFileSync(count, '')
  await cgroup.spawn(`exec '${process.execPath}' '${LEDGER}' . '${count}'`, begun.path)
  await using open = await begun.open()
  await systemClock.sleep(WARM_UP_MS)
  await open.commit()
  const captures: { frozenMs: number; localMs: number }[] = []
  const slowdowns: number[] = []
  const turns = bench.quick ? 1 : TURNS
  for (let turn = 0; turn < turns; turn++) {
    const alone = await stepsIn(count, () => systemClock.sleep(WINDOW_MS))
    const captured = await stepsIn(count, async () => {
      captures.push(...(await captureEachSecond(open, cgroup)))
    })
    slowdowns.push(100 * (1 - captured / alone))
  }
  const frozenMs = captures.map((capture) => capture.frozenMs)
  report(bench, 'freeze', 'p50_ms', quantile(frozenMs, 0.5))
  report(bench, 'freeze', 'p95_ms', quantile(frozenMs, 0.95))
  report(bench, 'slowdown', 'lost_pct', median(slowdowns))
  report(bench, 'checkpoint', 'wall_ms', median(captures.map((capture) => capture.localMs)))
}

/** Steps of the ledger per second while `work` runs. */
async function stepsIn(count: string, work: () => Promise<void>): Promise<number> {
  const [beganAt, before] = [systemClock.monotonicMs(), ledgerSteps(count)]
  await work()
  return (ledgerSteps(count) - before) / (systemClock.monotonicMs() - beganAt)
}

async function captureEachSecond(open: OpenDirectory, cgroup: FreezerCgroup) {
  const freezer = { cgroups: [cgroup.path], pids: () => [] }
  const captures: Awaited<ReturnType<OpenDirectory['commit']>>[] = []
  const until = systemClock.monotonicMs() + WINDOW_MS
  for (let at = systemClock.monotonicMs(); at < until; at = systemClock.monotonicMs()) {
    captures.push(await open.commit(freezer))
    await systemClock.sleep(Math.max(0, at + 1000 - systemClock.monotonicMs()))
  }
  return captures
}

/** Fork and rollback of 1 GB from local snapshots; what a sandbox adds to them is not in it. */
async function runLocal(bench: BenchRun): Promise<void> {
  bench.say('fork and rollback')
  await using begun = await BtrfsDirectory.init(bench.disk.folder('btrfs-local'))
  makeLargeFile(begun.path, bench.quick ? 100e6 : 1e9)
  {
    await using open = await begun.open()
    await open.commit()
    writeFileSync(join(begun.path, 'answer.txt'), 'another\n')
    await open.commit()
  }
  const { directory } = begun
  const forkMs: number[] = []
  const rollbackMs: number[] = []
  for (let turn = 0; turn < TURNS; turn++) {
    const generation = await directory.find()
    const path = join(begun.folder, `fork-${turn}`)
    forkMs.push(1000 * (await wallS(() => forkDirectory(directory, { generation, path }))))
    rollbackMs.push(1000 * (await wallS(() => rollbackDirectory(directory, { generation }))))
  }
  report(bench, 'fork', 'wall_ms', median(forkMs))
  report(bench, 'rollback', 'wall_ms', median(rollbackMs))
}

async function wallS(work: () => Promise<unknown>): Promise<number> {
  const beganAt = systemClock.monotonicMs()
  await work()
  return (systemClock.monotonicMs() - beganAt) / 1000
}

function report(bench: BenchRun, name: string, metric: string, value: number): void {
  if (bench.wants(name)) bench.report({ case: name, metric, value })
}

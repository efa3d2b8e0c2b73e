import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startS3Double } from '@holdfast/testkit/s3-double'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import type { BenchRun } from '../bench-run.ts'
import { Engine } from '../engine.ts'
import { measured, median, quantile } from '../measure.ts'
import { MovableClock } from '../movable-clock.ts'
import { seededText } from '../workloads/seeded-bytes.ts'
import { makeSmallFiles } from '../workloads/w1.ts'

const COMMITS = 300
const WORKSPACE_FILES = 1000

/** One small file changed, then a durable commit, again and again, in a workspace of 1,000 files. */
export async function runSmallCommits(bench: BenchRun): Promise<void> {
  if (!bench.wants('small-commit') && !bench.wants('puts-per-commit')) return
  bench.say('small-commit')
  await using engine = await Engine.open(bench.disk.folder('small'))
  const { wallMs, cpuMs, puts } = await commitAgainAndAgain(bench, engine, 'small-source')
  if (bench.wants('small-commit')) {
    bench.report({ case: 'small-commit', metric: 'p50_ms', value: quantile(wallMs, 0.5) })
    bench.report({ case: 'small-commit', metric: 'p99_ms', value: quantile(wallMs, 0.99) })
    bench.report({ case: 'small-commit', metric: 'cpu_ms', value: cpuMs })
  }
  if (bench.wants('puts-per-commit')) bench.report({ case: 'puts-per-commit', metric: 'puts', value: puts })
}

const REQUEST_MS = 30

/**
 * The same on an S3 service that takes 30 ms for each request. It runs in this process, and its CPU time counts with
 * that of the engine.
 */
export async function runS3Commits(bench: BenchRun): Promise<void> {
  if (!bench.wants('s3-commit')) return
  bench.say(`s3-commit: each request takes ${REQUEST_MS} ms`)
  await using service = await startS3Double({ latencyMs: REQUEST_MS })
  const store = { address: service.addressOf('bench'), s3Credentials: service.credentials }
  await using engine = await Engine.open(bench.disk.folder('s3'), { store })
  const { wallMs, puts } = await commitAgainAndAgain(bench, engine, 's3-source')
  bench.report({ case: 's3-commit', metric: 'p50_ms', value: quantile(wallMs, 0.5) })
  bench.report({ case: 's3-commit', metric: 'p99_ms', value: quantile(wallMs, 0.99) })
  bench.report({ case: 's3-commit', metric: 'puts', value: puts })
}

interface SmallCommits {
  readonly wallMs: readonly number[]
  /** Of one commit, on average. */
  readonly cpuMs: number
  readonly puts: number
}

async function commitAgainAndAgain(bench: BenchRun, engine: Engine, name: string): Promise<SmallCommits> {
  const source = bench.disk.folder(name)
  makeSmallFiles(source, WORKSPACE_FILES)
  await engine.commit(source)
  const puts = engine.store.puts
  const wallMs: number[] = []
  let cpuMs = 0
  const commits = bench.quick ? COMMITS / 10 : COMMITS
  for (let index = 0; index < commits; index++) {
    writeFileSync(join(source, 'answer.txt'), `the answer after turn ${index}\n`)
    const { cost } = await measured(() => engine.commit(source))
    wallMs.push(cost.wallS * 1000)
    cpuMs += cost.cpuS * 1000
  }
  return { wallMs, cpuMs: cpuMs / commits, puts: (engine.store.puts - puts) / commits }
}

const CHURN_COMMITS = 10_000
const CHURN_COMMITS_QUICK = 500
const CHURN_FILES = 1000
const CHURN_FILE_BYTES_MAX = 16 * 1024
/** What passes between two commits, and after the last one. */
const CADENCE_MS = 1000
const LATER_MS = 7 * 24 * 3600_000
/** Then what is stored is compared with what one generation needs. */
const HEAD_ALONE = [{ fromMs: 3600_000, everyMs: Number.POSITIVE_INFINITY }]
const COLLECT_EVERY = 600

/**
 * Thousands of commits that rewrite files all over a small workspace, tidied as by a watch at one commit a second and
 * left alone for a week, then a restore against that of a fresh history.
 */
export async function runChurn(bench: BenchRun): Promise<void> {
  if (!bench.wants('churn')) return
  const commits = bench.quick ? CHURN_COMMITS_QUICK : CHURN_COMMITS
  bench.say(`churn: ${commits} commits`)
  const source = bench.disk.folder('churn-source')
  const clock = new MovableClock()
  await using churned = await Engine.open(bench.disk.folder('churned'), { clock })
  const write = churnWriter(source)
  for (let file = 0; file < CHURN_FILES; file++) write(file)
  await churned.commit(source)
  const next = seededNumbers(3)
  const { cost } = await measured(async () => {
    for (let index = 0; index < commits; index++) {
      write(Math.floor(next() * CHURN_FILES))
      write(Math.floor(next() * CHURN_FILES))
      appendFileSync(join(source, 'log.txt'), `turn ${index}\n`)
      await churned.commit(source)
      clock.moveOn(CADENCE_MS)
      await churned.tidyWhenDue()
      if (index % COLLECT_EVERY === 0) await churned.collect()
    }
  })
  clock.moveOn(LATER_MS)
  await churned.tidy(HEAD_ALONE)
  await churned.collect()
  await using fresh = await Engine.open(bench.disk.folder('fresh'))
  await fresh.commit(source)
  const gets = churned.store.gets
  const ratio = await compareRestores(bench, churned, fresh)
  const report = (metric: string, value: number) => bench.report({ case: 'churn', metric, value })
  report('commit_ms', (cost.wallS * 1000) / commits)
  report('commit_cpu_ms', (cost.cpuS * 1000) / commits)
  report('restore_ratio', ratio)
  report('gets', (churned.store.gets - gets) / bench.repeats)
  report('stored_live_ratio', (await churned.store.storedBytes()) / (await fresh.store.storedBytes()))
}

async function compareRestores(bench: BenchRun, churned: Engine, fresh: Engine): Promise<number> {
  const restoreS = async (engine: Engine) => {
    const target = bench.disk.folder('restored')
    await bench.disk.settle()
    return (await measured(() => engine.restore(target))).cost.wallS
  }
  const pairs: { churnedS: number; freshS: number }[] = []
  for (let repeat = 0; repeat < bench.repeats; repeat++)
    pairs.push({ freshS: await restoreS(fresh), churnedS: await restoreS(churned) })
  return median(pairs.map(({ churnedS }) => churnedS)) / median(pairs.map(({ freshS }) => freshS))
}

function churnWriter(source: string): (file: number) => void {
  const next = seededNumbers(4)
  const text = seededText(4)
  return (file) => {
    const folder = join(source, `part${Math.floor(file / 50)}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `file${file}.txt`), text(1 + Math.floor(next() * CHURN_FILE_BYTES_MAX)))
  }
}

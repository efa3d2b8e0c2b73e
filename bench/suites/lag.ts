import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import type { BenchRun } from '../bench-run.ts'
import { Engine } from '../engine.ts'
import { cpuSecondsOf, measured, quantile, run } from '../measure.ts'
import { type LogPlace, Replication } from '../peers/litestream.ts'
import { openEventDatabase, readTransactions, type Transaction } from '../workloads/w4.ts'

const W4 = join(import.meta.dirname, '../workloads/w4.ts')
const PER_SECOND = 1000
const SECONDS = 30
const SECONDS_QUICK = 6
const WAL_HEADER_BYTES = 32
const WAL_FRAME_BYTES = 24 + 4096
const REPLICA_POLL_MS = 4
/** Transactions of the last seconds may be left uncovered when the writer ends. */
const TAIL_MS = 3000

/** Something became durable: every transaction up to a place in the WAL. */
interface Covered {
  readonly atNs: bigint
  readonly covers: (transaction: Transaction, run: number) => boolean
}

interface LagRun {
  readonly lagMs: readonly number[]
  readonly cpuPercent: number
}

/** How long after it returned a transaction is durable elsewhere, at 1,000 a second. */
export async function runLag(bench: BenchRun): Promise<void> {
  for (const { name, intervalMs } of [
    { name: 'lag-1s', intervalMs: 1000 },
    { name: 'lag-100ms', intervalMs: 100 },
  ]) {
    if (!bench.wants(name)) continue
    bench.say(`${name}: holdfast`)
    const ours = await engineLag(bench, intervalMs)
    bench.say(`${name}: litestream`)
    const theirs = await litestreamLag(bench, intervalMs)
    for (const [metric, share] of [
      ['p50_ms', 0.5],
      ['p95_ms', 0.95],
      ['p99_ms', 0.99],
    ] as const) {
      const peers = { litestream: quantile(theirs.lagMs, share) }
      bench.report({ case: name, metric, value: quantile(ours.lagMs, share), peers })
    }
    const peers = { litestream: theirs.cpuPercent }
    bench.report({ case: name, metric: 'cpu_percent', value: ours.cpuPercent, peers })
  }
}

/** Commits in a rhythm, as a watcher does while a directory changes. */
async function engineLag(bench: BenchRun, intervalMs: number): Promise<LagRun> {
  const { source, writer, logPath, seconds } = beginWriter(bench, 'ours')
  await using engine = await Engine.open(bench.disk.folder('lag-ours'))
  await engine.commit(source)
  const covered: Covered[] = []
  let writing = true
  const { cost } = await measured(async () => {
    const end = writer.start().finally(() => {
      writing = false
    })
    end.catch(() => {})
    while (writing) {
      await systemClock.sleep(intervalMs)
      if ((await engine.commit(source)) !== undefined) covered.push(coveredBy(engine))
    }
    await end
  })
  const cpuS = cost.cpuS - writer.cpuS()
  return lagOf(logPath, covered, (100 * cpuS) / seconds)
}

function coveredBy(engine: Engine): Covered {
  const memory = engine.remembered.memories.get('events.db')
  const end = memory instanceof Uint8Array ? undefined : memory?.captured.walEnd
  const atNs = process.hrtime.bigint()
  return { atNs, covers: (transaction) => end === undefined || isInside(transaction, end) }
}

/** The first salt counts the runs of a WAL up, from a random start. */
function isInside({ salt1, frame }: Transaction, end: { salt1: number; frame: number }): boolean {
  const runs = (end.salt1 - salt1) | 0
  return runs > 0 || (runs === 0 && frame <= end.frame)
}

async function litestreamLag(bench: BenchRun, intervalMs: number): Promise<LagRun> {
  const { source, database, writer, logPath, seconds } = beginWriter(bench, 'litestream')
  const replica = bench.disk.folder('lag-replica')
  // Kept open: the WAL must exist, and not vanish, while the replication starts.
  using _holder = { [Symbol.dispose]: holdOpen(database) }
  await using replication = await Replication.start({
    database,
    replica,
    configPath: join(source, '..', `litestream-${intervalMs}.yml`),
    intervalMs,
  })
  const cpuBefore = cpuSecondsOf(replication.pid)
  const covered: Covered[] = []
  let writing = true
  const end = writer.start().finally(() => {
    writing = false
  })
  end.catch(() => {})
  let last: LogPlace | undefined
  while (writing) {
    await systemClock.sleep(REPLICA_POLL_MS)
    const place = replication.place()
    if (place === undefined || (place.run === last?.run && place.offset === last.offset)) continue
    last = place
    covered.push({ atNs: process.hrtime.bigint(), covers: (tx, run) => isBefore(tx, run, place) })
  }
  await end
  return lagOf(logPath, covered, (100 * (cpuSecondsOf(replication.pid) - cpuBefore)) / seconds)
}

function isBefore({ frame }: Transaction, run: number, place: LogPlace): boolean {
  return run < place.run || (run === place.run && WAL_HEADER_BYTES + frame * WAL_FRAME_BYTES <= place.offset)
}

/** Both lists are in order of time, and what is covered only grows. */
function lagOf(logPath: string, covered: readonly Covered[], cpuPercent: number): LagRun {
  const transactions = readTransactions(readFileSync(logPath))
  const last = transactions.at(-1)?.atNs ?? 0n
  const lagMs: number[] = []
  let run = 0
  let next = 0
  let previous = transactions[0]
  for (const transaction of transactions) {
    if (previous && transaction.salt1 !== previous.salt1) run++
    previous = transaction
    while (next < covered.length && !isCovered(covered[next], transaction, run)) next++
    const by = covered[next]
    if (by) lagMs.push(Number(by.atNs - transaction.atNs) / 1e6)
    else if (Number(last - transaction.atNs) / 1e6 > TAIL_MS) lagMs.push(Number.POSITIVE_INFINITY)
  }
  return { lagMs, cpuPercent }
}

function isCovered(covered: Covered | undefined, transaction: Transaction, run: number): boolean {
  return covered !== undefined && covered.atNs >= transaction.atNs && covered.covers(transaction, run)
}

function beginWriter(bench: BenchRun, name: string) {
  const folder = bench.disk.folder(`lag-${name}`)
  const source = join(folder, 'source')
  mkdirSync(source)
  const database = join(source, 'events.db')
  openEventDatabase(database).close()
  const logPath = join(folder, 'transactions')
  const seconds = bench.quick ? SECONDS_QUICK : SECONDS
  const args = [W4, database, logPath, `${PER_SECOND}`, `${seconds}`]
  const usage = join(folder, 'usage')
  const start = () =>
    run({ file: '/usr/bin/time', args: ['-f', '%U %S', '-o', usage, process.execPath, ...args] })
  const cpuS = () => {
    const [user = 0, system = 0] = readFileSync(usage, 'utf8').trim().split(' ').map(Number)
    return user + system
  }
  return { source, database, logPath, seconds, writer: { start, cpuS } }
}

function holdOpen(database: string): () => void {
  const connection = openEventDatabase(database)
  connection.exec("insert into event (kind) values ('first')")
  return () => connection.close()
}

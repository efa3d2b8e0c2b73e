import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { systemClock } from '@holdfast/base/clock'
import type { BenchRun, Suite } from '../bench-run.ts'
import { Engine } from '../engine.ts'
import { type Cost, measured, median } from '../measure.ts'
import { litestream, Replication, restoreReplica } from '../peers/litestream.ts'
import { makeLargeDatabase, openEventDatabase } from '../workloads/w4.ts'
import { runIdle } from './idle.ts'
import { runLag } from './lag.ts'

/** Databases, beside Litestream. */
export const sqlite: Suite = {
  name: 'sqlite',
  cases: ['lag-1s', 'lag-100ms', 'first-1g', 'restore-1g', 'idle', 'idle-alone'],
  peers: [litestream],
  async run(bench) {
    await runLag(bench)
    if (bench.wants('first-1g') || bench.wants('restore-1g')) await runLarge(bench)
    await runIdle(bench)
  },
}

const LARGE_BYTES = 2 ** 30
const SNAPSHOT_POLL_MS = 20

/** A database of 1 GiB stored the first time, and brought back; ours proves every page against its checksum. */
async function runLarge(bench: BenchRun): Promise<void> {
  const bytes = bench.quick ? LARGE_BYTES / 10 : LARGE_BYTES
  const source = bench.disk.folder('large-source')
  const database = join(source, 'large.db')
  bench.say('1 GiB database')
  makeLargeDatabase(database, bytes)
  const first: Cost[] = []
  const restore: Cost[] = []
  const theirFirstS: number[] = []
  const theirRestore: Cost[] = []
  for (let repeat = 0; repeat < bench.repeats; repeat++) {
    await bench.disk.settle()
    await using engine = await Engine.open(bench.disk.folder('large-ours'))
    first.push((await measured(() => engine.commit(source))).cost)
    await bench.disk.settle()
    const target = bench.disk.folder('large-restored')
    restore.push((await measured(() => engine.restore(join(target, 'tree')))).cost)
    checkRows(database, join(target, 'tree', 'large.db'))
    const replica = bench.disk.folder('large-replica')
    theirFirstS.push(await litestreamFirst(bench, database, replica))
    await bench.disk.settle()
    const restored = join(bench.disk.folder('large-litestream'), 'large.db')
    theirRestore.push(await restoreReplica(replica, restored))
  }
  reportLarge(bench, 'first-1g', first, { litestream: median(theirFirstS) })
  reportLarge(bench, 'restore-1g', restore, { litestream: median(theirRestore.map(({ wallS }) => wallS)) })
}

function reportLarge(
  bench: BenchRun,
  name: string,
  costs: readonly Cost[],
  peers: Readonly<Record<string, number>>,
): void {
  if (!bench.wants(name)) return
  bench.report({ case: name, metric: 'wall_s', value: median(costs.map(({ wallS }) => wallS)), peers })
  bench.report({ case: name, metric: 'cpu_s', value: median(costs.map(({ cpuS }) => cpuS)) })
}

/** From its start until the snapshot and the first segment are in the replica. */
async function litestreamFirst(bench: BenchRun, database: string, replica: string): Promise<number> {
  const connection = openEventDatabase(database)
  try {
    connection.exec("insert into event (kind) values ('one more')")
    const configPath = join(replica, '..', `${replica.split('/').at(-1)}.yml`)
    const { cost } = await measured(async () => {
      const request = { database, replica, configPath, intervalMs: 1000 }
      await using _replication = await Replication.start(request)
      while (!existsSync(join(replica, 'generations'))) await systemClock.sleep(SNAPSHOT_POLL_MS)
    })
    await bench.disk.settle()
    return cost.wallS
  } finally {
    connection.close()
  }
}

function checkRows(original: string, restored: string): void {
  const [want, have] = [original, restored].map((path) => {
    const database = new DatabaseSync(path)
    const row = database.prepare('select count(*) as rows, max(id) as last from event').get()
    database.close()
    return JSON.stringify(row)
  })
  if (want !== have) throw new Error(`restored ${have} of ${want}`)
}

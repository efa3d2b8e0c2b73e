import { join } from 'node:path'
import type { BenchRun } from '../bench-run.ts'
import { measuredCommand } from '../measure.ts'
import { restic } from '../peers/restic.ts'
import { makeSmallFiles } from '../workloads/w1.ts'

const COMMIT_ONCE = join(import.meta.dirname, '../commit-once.ts')

/** The largest resident set of a process that makes a first commit of W1. */
export async function runMemory(bench: BenchRun): Promise<void> {
  if (!bench.wants('memory')) return
  bench.say('memory')
  const source = bench.disk.folder('memory-source')
  makeSmallFiles(source, bench.quick ? 10_000 : 100_000)
  const args = [COMMIT_ONCE, source, bench.disk.folder('memory')]
  const { cost } = await measuredCommand({ file: process.execPath, args })
  const peer = await (await restic.open(bench.disk.folder('memory-restic'))).commit(source)
  const peers = { restic: peer.peakBytes / 1e6 }
  bench.report({ case: 'memory', metric: 'peak_mb', value: cost.peakBytes / 1e6, peers })
}

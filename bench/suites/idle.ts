import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import type { BenchRun } from '../bench-run.ts'
import { cpuSecondsOfTree, run } from '../measure.ts'
import { HOLD, knowsCommand } from '../peers/command-line.ts'

const DIRECTORIES = 10
const SETTLE_MS = 5000
const SECONDS = 60

/** What ten watched directories cost while nothing happens in them: one `hold dir watch` each. */
export async function runIdle(bench: BenchRun): Promise<void> {
  if (!bench.wants('idle')) return
  if (!(await knowsCommand('watch'))) {
    bench.say('bin/hold does not watch: no idle row')
    return
  }
  bench.say('idle')
  const seconds = bench.quick ? SECONDS / 10 : SECONDS
  const watchers: ChildProcess[] = []
  try {
    for (let index = 0; index < DIRECTORIES; index++) watchers.push(await startWatcher(bench, index))
    await systemClock.sleep(SETTLE_MS)
    const before = cpuOf(watchers)
    await systemClock.sleep(seconds * 1000)
    const ended = watchers.find(({ exitCode }) => exitCode !== null)
    if (ended) throw new Error(`a watcher ended with ${ended.exitCode}`)
    const value = (100 * (cpuOf(watchers) - before)) / seconds
    bench.report({ case: 'idle', metric: 'cpu_percent', value })
  } finally {
    await Promise.all(watchers.map(stop))
  }
}

async function startWatcher(bench: BenchRun, index: number): Promise<ChildProcess> {
  const folder = bench.disk.folder(`idle-${index}`)
  const source = bench.disk.folder(`idle-source-${index}`)
  writeFileSync(join(source, 'notes.txt'), 'nothing happens here\n')
  const env = { HOLDFAST_HOME: join(folder, 'home') }
  await run({ file: HOLD, args: ['dir', 'init', source, '--store', join(folder, 'store')], env })
  return spawn(HOLD, ['dir', 'watch', source], { stdio: 'ignore', env: { ...process.env, ...env } })
}

function cpuOf(watchers: readonly ChildProcess[]): number {
  return watchers.reduce((sum, { pid }) => sum + (pid === undefined ? 0 : cpuSecondsOfTree(pid)), 0)
}

async function stop(watcher: ChildProcess): Promise<void> {
  if (watcher.exitCode !== null) return
  const ended = once(watcher, 'exit')
  watcher.kill('SIGTERM')
  await ended
}

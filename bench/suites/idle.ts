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

/**
 * What ten watched directories cost while nothing happens in them: one `hold dir watch` each. A command that sleeps has a
 * counter of its CPU time; without a command the watch has to look.
 */
export async function runIdle(bench: BenchRun): Promise<void> {
  if (!(await knowsCommand('watch'))) return bench.say('bin/hold does not watch: no idle rows')
  if (bench.wants('idle')) await runWatches(bench, 'idle', ['--', 'sleep', 'infinity'])
  if (bench.wants('idle-alone')) await runWatches(bench, 'idle-alone', [])
}

async function runWatches(bench: BenchRun, name: string, command: readonly string[]): Promise<void> {
  bench.say(name)
  const seconds = bench.quick ? SECONDS / 10 : SECONDS
  const watchers: ChildProcess[] = []
  try {
    for (let index = 0; index < DIRECTORIES; index++) watchers.push(await startWatcher(bench, command))
    await systemClock.sleep(SETTLE_MS)
    const before = cpuOf(watchers)
    await systemClock.sleep(seconds * 1000)
    const ended = watchers.find(({ exitCode }) => exitCode !== null)
    if (ended) throw new Error(`a watcher ended with ${ended.exitCode}`)
    const value = (100 * (cpuOf(watchers) - before)) / seconds
    bench.report({ case: name, metric: 'cpu_percent', value })
  } finally {
    await Promise.all(watchers.map(stop))
  }
}

async function startWatcher(bench: BenchRun, command: readonly string[]): Promise<ChildProcess> {
  const folder = bench.disk.folder('idle')
  const source = bench.disk.folder('idle-source')
  writeFileSync(join(source, 'notes.txt'), 'nothing happens here\n')
  const env = { HOLDFAST_HOME: join(folder, 'home') }
  await run({ file: HOLD, args: ['dir', 'init', source, '--store', join(folder, 'store')], env })
  return spawn(HOLD, ['dir', 'watch', source, ...command], {
    stdio: 'ignore',
    env: { ...process.env, ...env },
  })
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

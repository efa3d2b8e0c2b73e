import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'

/** What one run cost: wall seconds, user plus system seconds with all children, and the largest resident set. */
export interface Cost {
  readonly wallS: number
  readonly cpuS: number
  readonly peakBytes: number
}

const OUTPUT_BYTES_MAX = 64 << 20
/** Linux counts process times in ticks of 10 ms on every architecture that Node supports. */
const TICKS_PER_SECOND = 100

/** Runs `work` in this process; its threads and the processes it keeps running count. */
export async function measured<T>(work: () => Promise<T>): Promise<{ result: T; cost: Cost }> {
  const children = childrenSeconds(process.pid)
  const own = process.cpuUsage()
  const start = performance.now()
  const result = await work()
  const wallS = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(own)
  const cpuS = (user + system) / 1e6 + childrenSeconds(process.pid) - children
  return { result, cost: { wallS, cpuS, peakBytes: process.resourceUsage().maxRSS * 1024 } }
}

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a program to its end under GNU time. Rejects, with what it wrote to stderr, unless it exits with 0. */
export async function measuredCommand(command: Command): Promise<{ stdout: string; cost: Cost }> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  const report = join(folder, 'time')
  try {
    const start = performance.now()
    const stdout = await run({
      ...command,
      file: '/usr/bin/time',
      args: ['-f', '%U %S %M', '-o', report, command.file, ...command.args],
    })
    const wallS = (performance.now() - start) / 1000
    const [user = 0, system = 0, kibibytes = 0] = readFileSync(report, 'utf8').trim().split(' ').map(Number)
    return { stdout, cost: { wallS, cpuS: user + system, peakBytes: kibibytes * 1024 } }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Runs a program to its end and gives what it wrote to stdout. */
export function run({ file, args, cwd, env }: Command): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: { ...process.env, ...env }, maxBuffer: OUTPUT_BYTES_MAX }
    execFile(file, [...args], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file} ${args.join(' ')}: ${error.message}\n${stderr}`))
      else resolve(stdout)
    })
  })
}

/** Runs a program that may be absent; undefined if it is. */
export async function outputOf(file: string, ...args: string[]): Promise<string | undefined> {
  try {
    return (await run({ file, args })).trim()
  } catch {
    return undefined
  }
}

/** CPU seconds of one running process with its threads and the children that it has waited for. */
export function cpuSecondsOf(pid: number): number {
  const [user = 0, system = 0] = cpuTicks(pid)
  return (user + system) / TICKS_PER_SECOND + waitedSeconds(pid)
}

/** CPU seconds of a running process and all processes below it. */
export function cpuSecondsOfTree(pid: number): number {
  return childPids(pid).reduce((sum, child) => sum + cpuSecondsOfTree(child), cpuSecondsOf(pid))
}

/** CPU seconds of the processes below `pid`: the running ones and those that have ended. */
function childrenSeconds(pid: number): number {
  return childPids(pid).reduce((sum, child) => sum + cpuSecondsOfTree(child), waitedSeconds(pid))
}

function waitedSeconds(pid: number): number {
  const [, , user = 0, system = 0] = cpuTicks(pid)
  return (user + system) / TICKS_PER_SECOND
}

/** user, system, and both again of the children waited for: fields 14 to 17 of proc(5)'s stat; none for no process. */
function cpuTicks(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const behindName = text.slice(text.lastIndexOf(')') + 2)
    return behindName.split(' ').slice(11, 15).map(Number)
  } catch {
    return []
  }
}

function childPids(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    )
  } catch {
    return []
  }
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The smallest value that at least `share` of all values do not exceed; NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

export function medianCost(costs: readonly Cost[]): Cost {
  return {
    wallS: median(costs.map(({ wallS }) => wallS)),
    cpuS: median(costs.map(({ cpuS }) => cpuS)),
    peakBytes: median(costs.map(({ peakBytes }) => peakBytes)),
  }
}

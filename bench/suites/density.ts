import { readdirSync, readFileSync } from 'node:fs'
import { systemClock } from '@holdfast/base/clock'
import { BenchInstallation } from '../bench-installation.ts'
import type { BenchRun, Suite } from '../bench-run.ts'
import { cpuSecondsOfTree } from '../measure.ts'

const SANDBOXES = 100
const WATCHED_MS = 20_000
const ROLES = ['control', 'lease', 'host', 'gateway'] as const

export const density: Suite = { name: 'density', cases: ['density'], peers: [], run: runDensity }

/** What an idle workspace costs: its own processes, and what the roles grow by. */
async function runDensity(bench: BenchRun): Promise<void> {
  await using installation = await BenchInstallation.start({ folder: bench.disk.folder('density') })
  const count = bench.quick ? SANDBOXES / 10 : SANDBOXES
  const trees = () => ROLES.map((role) => installation.pidOf(role))
  await installation.holdfast.create({})
  const before = memoryOf(trees())
  bench.say(`${count} workspaces`)
  for (let made = 0; made < count; made++) await installation.holdfast.create({})
  const after = memoryOf(trees())
  const mb = (key: keyof Memory) => (after[key] - before[key]) / count / 1e6
  bench.report({ case: 'density', metric: 'sandbox_mb', value: mb('sandboxBytes') })
  bench.report({ case: 'density', metric: 'roles_mb', value: mb('roleBytes') })
  bench.report({ case: 'density', metric: 'all_mb', value: mb('sandboxBytes') + mb('roleBytes') })
  const watchedMs = bench.quick ? WATCHED_MS / 4 : WATCHED_MS
  const cpu = () => trees().reduce((sum, pid) => sum + cpuSecondsOfTree(pid), 0)
  const cpuBefore = cpu()
  await systemClock.sleep(watchedMs)
  bench.report({
    case: 'density',
    metric: 'cpu_percent',
    value: (100 * (cpu() - cpuBefore)) / (watchedMs / 1000),
  })
}

interface Memory {
  readonly sandboxBytes: number
  readonly roleBytes: number
}

/** Pages that several map count in parts. The first process of a sandbox has no parent among the roles. */
function memoryOf(roles: readonly number[]): Memory {
  const roleBytes = roles.reduce((sum, pid) => sum + pssBytesOf(pid), 0)
  const guests = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isFirstProcess(name))
  return { roleBytes, sandboxBytes: guests.reduce((sum, pid) => sum + pssBytesOf(Number(pid)), 0) }
}

function isFirstProcess(pid: string): boolean {
  return /\/holdinit\0/.test(textOf(`/proc/${pid}/cmdline`))
}

function pssBytesOf(pid: number): number {
  return 1024 * Number(/^Pss:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0)
}

/** Empty for a process that has ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { SandboxLimits } from '@holdfast/protocol/sandbox-spec'
import { type CgroupDirectories, UNIFIED } from './cgroup-mounts.ts'

const CPU_PERIOD_US = 100_000
/** Of version 1 those that a sandbox is limited, counted and frozen by. */
const WANTED = ['freezer', 'memory', 'pids', 'cpu', 'cpuacct', UNIFIED]

type Settings = Readonly<Record<string, string>>

/**
 * Makes the directories of a sandbox's cgroup where runc does not, and sets its limits. What this process may not make
 * is left out: without a freezer nothing is made, and the sandbox does without a cgroup.
 */
export function makeCgroup(expected: CgroupDirectories, limits: SandboxLimits): CgroupDirectories {
  const hasVersion1 = expected.has('freezer')
  const made = new Map<string, string>()
  for (const controller of WANTED) {
    const path = expected.get(controller)
    if (path === undefined || (controller === UNIFIED && hasVersion1)) continue
    if (controller === UNIFIED) delegate(path)
    if (!makeDirectory(path)) continue
    made.set(controller, path)
    for (const [file, text] of Object.entries(settingsOf(controller, limits))) set(join(path, file), text)
  }
  return made.has('freezer') || made.has(UNIFIED) ? made : new Map()
}

function settingsOf(controller: string, limits: SandboxLimits): Settings {
  const quota = String(Math.round(limits.cpus * CPU_PERIOD_US))
  const memory = String(limits.memoryBytes)
  switch (controller) {
    case 'memory':
      return { 'memory.limit_in_bytes': memory, 'memory.memsw.limit_in_bytes': memory }
    case 'pids':
      return { 'pids.max': String(limits.pids) }
    case 'cpu':
      return { 'cpu.cfs_period_us': String(CPU_PERIOD_US), 'cpu.cfs_quota_us': quota }
    case UNIFIED:
      return {
        'memory.max': memory,
        'memory.swap.max': '0',
        'pids.max': String(limits.pids),
        'cpu.max': `${quota} ${CPU_PERIOD_US}`,
      }
    default:
      return {}
  }
}

/** Version 2 limits only what the directories above hand down. */
function delegate(path: string): void {
  const parent = dirname(path)
  for (const directory of [dirname(parent), parent])
    if (makeDirectory(directory)) set(join(directory, 'cgroup.subtree_control'), '+memory +pids +cpu')
}

function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true })
    return true
  } catch {
    return existsSync(path)
  }
}

/** A kernel without swap has no limit for it, and a limit that cannot be set is one less. */
function set(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch {
    // the runtime says `none` about its isolation for this reason too
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const V1_ROOT = '/sys/fs/cgroup/freezer'
const V2_ROOTS = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']
const EMPTY_MS_MAX = 5000

export type CgroupVersion = 1 | 2

/** The mount point of that version's hierarchy, where this machine has it. */
function cgroupRoot(version: CgroupVersion): string | undefined {
  if (version === 1) return existsSync(V1_ROOT) ? V1_ROOT : undefined
  return V2_ROOTS.find((root) => existsSync(join(root, 'cgroup.controllers')))
}

/** The versions that this machine can freeze with: 1, 2 or both (a hybrid). */
export function cgroupVersions(): CgroupVersion[] {
  return ([1, 2] as const).filter((version) => cgroupRoot(version) !== undefined)
}

/** A freezer cgroup of its own for one test; its disposal thaws, kills and removes. Needs root. */
export class FreezerCgroup implements AsyncDisposable {
  readonly path: string
  readonly version: CgroupVersion
  readonly #children: ChildProcess[] = []

  constructor(version: CgroupVersion, parent?: FreezerCgroup) {
    const root = parent?.path ?? cgroupRoot(version)
    if (root === undefined) throw new Error(`this machine has no freezer cgroup of version ${version}`)
    this.version = version
    this.path = join(root, `holdfast-test-${randomUUID().slice(0, 8)}`)
    mkdirSync(this.path)
  }

  add(pid: number | undefined): void {
    writeFileSync(join(this.path, 'cgroup.procs'), String(pid))
  }

  /** Starts a shell command inside the cgroup and resolves when it is in: no instruction of it runs outside. */
  async spawn(command: string, cwd: string): Promise<ChildProcess> {
    const entered = `echo $$ > '${this.path}/cgroup.procs' && echo && exec >&- && { ${command}; }`
    const child = spawn('sh', ['-c', entered], { cwd, stdio: ['ignore', 'pipe', 'ignore'] })
    this.#children.push(child)
    await once(child.stdout, 'data')
    return child
  }

  freeze(): void {
    if (this.version === 1) writeFileSync(join(this.path, 'freezer.state'), 'FROZEN')
    else writeFileSync(join(this.path, 'cgroup.freeze'), '1')
  }

  thaw(): void {
    if (this.version === 1) writeFileSync(join(this.path, 'freezer.state'), 'THAWED')
    else writeFileSync(join(this.path, 'cgroup.freeze'), '0')
  }

  isFrozen(): boolean {
    if (this.version === 1) return readFileSync(join(this.path, 'freezer.state'), 'utf8') === 'FROZEN\n'
    return readFileSync(join(this.path, 'cgroup.events'), 'utf8').includes('frozen 1')
  }

  pids(): number[] {
    return readFileSync(join(this.path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.freeze()
    for (const pid of this.pids()) killIfAlive(pid)
    this.thaw()
    for (const child of this.#children)
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const until = performance.now() + EMPTY_MS_MAX
    while (!this.#removed() && performance.now() < until) {
      for (const pid of this.pids()) killIfAlive(pid)
      await delay(5)
    }
  }

  /** A process that has just died may still count for a moment. */
  #removed(): boolean {
    try {
      rmdirSync(this.path)
      return true
    } catch {
      return !existsSync(this.path)
    }
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended since it was listed
  }
}

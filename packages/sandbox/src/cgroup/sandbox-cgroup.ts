import { existsSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { type CgroupDirectories, UNIFIED } from './cgroup-mounts.ts'

const FROZEN_MS_MAX = 2000
const EMPTY_MS_MAX = 10_000
const REMOVED_MS_MAX = 2000
const POLL_MS = 1

/** The cgroup of one sandbox, in every hierarchy. */
export class SandboxCgroup {
  readonly directories: CgroupDirectories
  readonly #clock: Clock
  #oomKills = 0
  #cpuNs: number | null = null

  constructor(directories: CgroupDirectories, clock: Clock) {
    this.directories = directories
    this.#clock = clock
  }

  /** Where it is frozen and killed: of version 1 the freezer's, else version 2's. */
  get freezer(): string | undefined {
    return this.directories.get('freezer') ?? this.directories.get(UNIFIED)
  }

  get exists(): boolean {
    return this.freezer !== undefined && existsSync(this.freezer)
  }

  /** CPU time of all that ran in it; after its end the last that was read. */
  cpuNs(): number | null {
    const usage = read(this.directories.get('cpuacct'), 'cpuacct.usage')
    const [, usec] = /^usage_usec (\d+)/m.exec(read(this.directories.get(UNIFIED), 'cpu.stat') ?? '') ?? []
    if (usage !== undefined) this.#cpuNs = Number(usage)
    else if (usec !== undefined && !this.directories.has('cpuacct')) this.#cpuNs = Number(usec) * 1000
    return this.#cpuNs
  }

  /** How often the kernel killed a process in it for memory. */
  oomKills(): number {
    const text =
      read(this.directories.get('memory'), 'memory.oom_control') ??
      read(this.directories.get(UNIFIED), 'memory.events')
    const [, kills] = /^oom_kill (\d+)/m.exec(text ?? '') ?? []
    if (kills !== undefined) this.#oomKills = Number(kills)
    return this.#oomKills
  }

  /** Who is in it. Nested cgroups there are none: a guest cannot make any. */
  pids(): number[] {
    const text = read(this.freezer, 'cgroup.procs') ?? ''
    return text.split('\n').filter(Boolean).map(Number)
  }

  /**
   * Kills all of it without letting any of it run: frozen, nobody forks, so every process has its SIGKILL queued before
   * it can take another step. Rejects with `timed-out` when the kernel does not let go of a process.
   */
  async kill(): Promise<void> {
    if (!this.exists) return
    await this.freeze()
    this.#signalAll()
    this.#write(false)
    await this.#waitUntilEmpty()
    this.oomKills()
    this.cpuNs()
  }

  /** Removes its directories once nobody is in them; what stays is harmless and empty. */
  async remove(): Promise<void> {
    this.oomKills()
    this.cpuNs()
    const until = this.#clock.monotonicMs() + REMOVED_MS_MAX
    let left = [...new Set(this.directories.values())]
    for (;;) {
      left = left.filter((path) => !isRemoved(path))
      if (left.length === 0 || this.#clock.monotonicMs() > until) return
      await this.#clock.sleep(POLL_MS)
    }
  }

  /** For a sandbox whose lease was proven current just now. */
  thaw(): void {
    this.#write(false)
  }

  /** All of it stands still when it resolves, or something in it does not react for long. */
  async freeze(): Promise<void> {
    const until = this.#clock.monotonicMs() + FROZEN_MS_MAX
    this.#write(true)
    while (!this.#isFrozen() && this.#clock.monotonicMs() < until) {
      await this.#clock.sleep(POLL_MS)
      // Version 1 may need to be told again to catch those that were forked meanwhile.
      this.#write(true)
    }
  }

  #isFrozen(): boolean {
    const state = read(this.freezer, 'freezer.state')
    if (state !== undefined) return state === 'FROZEN\n'
    const events = read(this.freezer, 'cgroup.events')
    return events === undefined || events.includes('frozen 1')
  }

  /** Until a reading of the list shows nobody new: of a frozen cgroup the second one. */
  #signalAll(): void {
    const signalled = new Set<number>()
    if (this.freezer !== undefined && existsSync(join(this.freezer, 'cgroup.kill')))
      write(join(this.freezer, 'cgroup.kill'), '1')
    for (;;) {
      const fresh = this.pids().filter((pid) => !signalled.has(pid))
      if (fresh.length === 0) return
      for (const pid of fresh) {
        signalled.add(pid)
        signal(pid)
      }
    }
  }

  async #waitUntilEmpty(): Promise<void> {
    const until = this.#clock.monotonicMs() + EMPTY_MS_MAX
    for (let living = this.pids(); living.length > 0; living = this.pids()) {
      if (this.#clock.monotonicMs() > until) {
        const details = { cgroup: this.freezer ?? null, pids: living.length }
        throw new Failure('timed-out', 'the kernel does not let go of processes that were killed', details)
      }
      // Whoever came in since was started by what is not in it: a runtime at work on it.
      for (const pid of living) signal(pid)
      await this.#clock.sleep(POLL_MS)
    }
  }

  #write(isFrozen: boolean): void {
    if (this.freezer === undefined) return
    if (existsSync(join(this.freezer, 'freezer.state')))
      write(join(this.freezer, 'freezer.state'), isFrozen ? 'FROZEN' : 'THAWED')
    else write(join(this.freezer, 'cgroup.freeze'), isFrozen ? '1' : '0')
  }
}

function read(directory: string | undefined, file: string): string | undefined {
  if (directory === undefined) return undefined
  try {
    return readFileSync(join(directory, file), 'latin1')
  } catch {
    return undefined
  }
}

/** A cgroup that has been removed meanwhile has nobody left to freeze. */
function write(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENODEV') throw error
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended since it was listed
  }
}

function isRemoved(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch {
    return !existsSync(path)
  }
}

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type CgroupVersion, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import { Watchdog, type WatchdogOptions } from './watchdog.ts'

export const BINARY = fileURLToPath(new URL('../../../../build/holdwatch', import.meta.url))

const BUILD = fileURLToPath(new URL('../../native/build.sh', import.meta.url))

export function buildHoldwatch(): void {
  execFileSync('sh', [BUILD])
}

/** Never after the true instant, and at most 10 ms before it. */
export const bootMs = (): number => Math.floor(uptime() * 1000)

/** Each of `count` processes spins, and appends the boot clock's nanoseconds to a file as often as it gets there. */
const BUSY = `
import os, sys, time
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
begin, all_here = os.pipe()
for _ in range(int(sys.argv[2]) - 1):
    if os.fork() == 0: break
os.close(all_here)
os.read(begin, 1)
while True:
    for _ in range(2000): pass
    os.write(out, b'%d\\n' % time.clock_gettime_ns(time.CLOCK_BOOTTIME))
`

/** A folder, a watchdog over it, and cgroups with busy processes; all end with it. */
export class Bench implements AsyncDisposable {
  readonly stack = new AsyncDisposableStack()
  readonly directory = mkdtempSync('/dev/shm/holdfast-watchdog-')
  readonly killed: { readonly name: string; readonly lateMs: number }[] = []
  readonly #waiting = new Map<string, () => void>()

  constructor() {
    this.stack.defer(() => rmSync(this.directory, { recursive: true, force: true }))
  }

  async start(options: Partial<WatchdogOptions> = {}): Promise<Watchdog> {
    const watchdog = await Watchdog.start({
      binary: BINARY,
      directory: this.directory,
      onKilled: (name, lateMs) => {
        this.killed.push({ name, lateMs })
        this.#waiting.get(name)?.()
      },
      ...options,
    })
    this.stack.use(watchdog)
    return watchdog
  }

  /** When the watchdog has said that nobody is left in `name`. */
  async end(name: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.set(name, resolve)
    if (!this.killed.some((each) => each.name === name)) await promise
  }

  cgroup(version: CgroupVersion): FreezerCgroup {
    return this.stack.use(new FreezerCgroup(version))
  }

  async busy(version: CgroupVersion, count: number): Promise<FreezerCgroup> {
    const cgroup = this.cgroup(version)
    await this.fill(cgroup, count)
    return cgroup
  }

  /** Resolves when all of them are there and run. */
  async fill(cgroup: FreezerCgroup, count: number): Promise<void> {
    const program = join(this.directory, 'busy.py')
    writeFileSync(program, BUSY)
    await cgroup.spawn(`exec python3 '${program}' '${this.ticks(cgroup)}' ${count}`, this.directory)
    while (cgroup.pids().length < count || this.lastTickMs(cgroup) === 0) await delay(10)
  }

  /** The last instant, on the boot clock, at which anything ran in it. */
  lastTickMs(cgroup: FreezerCgroup): number {
    const lines = readOrEmpty(this.ticks(cgroup))
      .split('\n')
      .filter((line) => line.length > 8)
    return lines.reduce((last, line) => Math.max(last, Number(line) / 1e6), 0)
  }

  ticks(cgroup: FreezerCgroup): string {
    return join(this.directory, `${cgroup.path.split('/').at(-1)}.ticks`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]()
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Resolves when no process of that id is left, or fails the test. */
export async function ended(pid: number): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (!/^State:\s+[^Z]/m.test(readOrEmpty(`/proc/${pid}/status`))) return
    await delay(10)
  }
  throw new Error(`process ${pid} lives on`)
}

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { FaultyObjectStore } from '@holdfast/testkit/faulty-object-store'
import type { FaultPlan } from '@holdfast/testkit/store-faults'
import { Holdfs } from '../holdfs/holdfs.ts'
import { SqliteGenerationIndex } from '../index/sqlite-generation-index.ts'
import { StagePool } from '../stage/stage-pool.ts'
import { openObjectStore } from '../store/open-object-store.ts'
import { CgroupFreezer } from '../volume/cgroup-freezer.ts'
import { ProcessTree } from '../volume/process-tree.ts'
import { type DirectoryDeps, DurableDirectory } from './durable-directory.ts'
import { Home } from './home.ts'
import { loadWorkloadRecord } from './workload-record.ts'

/** What operations on the directories of `home` need, over a store with the faults of a plan. */
export async function openDeps(
  home: string,
  plan: FaultPlan = () => undefined,
): Promise<DirectoryDeps & AsyncDisposable & { readonly stores: FaultyObjectStore[] }> {
  const ground = { clock: systemClock, randomness: systemRandomness }
  const stores: FaultyObjectStore[] = []
  const holdfs = await Holdfs.start()
  const pool = new StagePool(2)
  return {
    ...ground,
    home: new Home(home),
    holdfs,
    pool,
    threads: 1,
    isRoot: true,
    stores,
    openStore: async (address) => {
      const store = new FaultyObjectStore(await openObjectStore(address, ground), plan)
      stores.push(store)
      return store
    },
    openIndex: (path) => SqliteGenerationIndex.open({ path }),
    [Symbol.asyncDispose]: async () => {
      await pool[Symbol.asyncDispose]()
      await holdfs[Symbol.asyncDispose]()
    },
  }
}

/** A directory with a new history, in a place of its own that goes with all that still runs in it. */
export class WatchedDirectory implements AsyncDisposable {
  readonly base: string
  readonly path: string
  readonly deps: Awaited<ReturnType<typeof openDeps>>

  private constructor(base: string, deps: Awaited<ReturnType<typeof openDeps>>) {
    this.base = base
    this.path = join(base, 'files')
    this.deps = deps
  }

  static async make(plan?: FaultPlan): Promise<WatchedDirectory> {
    const base = mkdtempSync(join(tmpdir(), 'holdfast-watch-'))
    const made = new WatchedDirectory(base, await openDeps(join(base, 'home'), plan))
    mkdirSync(made.path)
    const request = { path: made.path, store: join(base, 'store'), keyFile: null }
    await using _directory = await DurableDirectory.init(made.deps, request)
    return made
  }

  get home(): string {
    return join(this.base, 'home')
  }

  get folder(): string {
    return this.deps.home.directoryPath(this.deps.home.directoryAt(this.path).workspace)
  }

  /** A shell command that runs in the directory. */
  shell(script: string): { command: readonly string[]; cwd: string; stdio: 'ignore' } {
    return { command: ['sh', '-c', script], cwd: this.path, stdio: 'ignore' }
  }

  read(name: string): string | undefined {
    try {
      return readFileSync(join(this.path, name), 'utf8')
    } catch {
      return undefined
    }
  }

  /** The objects put so far, through every store that was opened. */
  puts(): number {
    return this.deps.stores.reduce(
      (sum, store) => sum + store.calls.filter(({ operation }) => operation === 'put').length,
      0,
    )
  }

  history(): Promise<readonly { sequence: number; cause: string; consistency: string; message: string }[]> {
    return this.#with((directory) => directory.history(500))
  }

  /** Restores a generation; resolves with its path. */
  restore(reference = 'head'): Promise<string> {
    const path = join(this.base, `restored-${reference}`)
    rmSync(path, { recursive: true, force: true })
    return this.#with(async (directory) => {
      await directory.restore({ generation: await directory.find(reference), path })
      return path
    })
  }

  async #with<T>(use: (directory: DurableDirectory) => Promise<T>): Promise<T> {
    await using directory = await DurableDirectory.open(this.deps, this.path)
    return await use(directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endWorkloads(this.folder)
    await this.deps[Symbol.asyncDispose]()
    rmSync(this.base, { recursive: true, force: true })
  }
}

/** Kills what a watch left running, and removes its cgroups. */
async function endWorkloads(folder: string): Promise<void> {
  const { cgroups, trees } = loadWorkloadRecord(folder)
  await using holdfs = await Holdfs.start()
  for (const { mark, ...root } of trees)
    for (const { pid } of new ProcessTree(root, mark).members()) kill(pid, 'SIGKILL')
  for (const places of cgroups) {
    const cgroup = new CgroupFreezer(places)
    await holdfs.thaw({ cgroups: cgroup.cgroups })
    while (cgroup.isOccupied()) {
      for (const pid of pidsOf(places.freezer)) kill(pid, 'SIGKILL')
      await delay(5)
    }
    await cgroup.remove(systemClock)
  }
}

function pidsOf(cgroup: string): number[] {
  return readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // it has ended
  }
}

/** True while a cgroup of a watch is frozen. */
export function isWorkloadFrozen(folder: string): boolean {
  return loadWorkloadRecord(folder).cgroups.some(({ freezer }) => {
    const version1 = join(freezer, 'freezer.state')
    if (existsSync(version1)) return readFileSync(version1, 'utf8') === 'FROZEN\n'
    return readFileSync(join(freezer, 'cgroup.events'), 'utf8').includes('frozen 1')
  })
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { type Cost, measuredCommand, outputOf } from '../measure.ts'
import { lz4FrameBytes } from './lz4-frame.ts'

const PACKAGES: Readonly<Record<string, string>> = { x64: 'linux-x64', arm64: 'linux-arm64' }
const POLL_MS = 20

/** The program that its npm package brings; undefined where there is none. */
function litestreamPath(): string | undefined {
  try {
    const launcher = createRequire(import.meta.url).resolve('@flydotio/litestream')
    const name = `@flydotio/litestream-${PACKAGES[process.arch]}/package.json`
    return join(createRequire(launcher).resolve(name), '../litestream')
  } catch {
    return undefined
  }
}

export const litestream = {
  name: 'litestream',
  aptPackage: null,
  version: async () => {
    const path = litestreamPath()
    return path === undefined ? undefined : outputOf(path, 'version')
  },
}

/** A place in the log that Litestream keeps: the ordinal of the WAL's run, and an offset in it. */
export interface LogPlace {
  readonly run: number
  readonly offset: number
}

/** Litestream replicating one database into a folder. */
export class Replication implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #replica: string

  private constructor(child: ChildProcess, replica: string) {
    this.#child = child
    this.#replica = replica
  }

  /** Starts it, and waits until its first segment is there. */
  static async start(request: {
    readonly database: string
    readonly replica: string
    readonly configPath: string
    readonly intervalMs: number
  }): Promise<Replication> {
    const { database, replica, configPath, intervalMs } = request
    const interval = `${intervalMs}ms`
    const replicas = [{ type: 'file', path: replica, 'sync-interval': interval }]
    const dbs = [{ path: database, 'monitor-interval': interval, replicas }]
    writeFileSync(configPath, JSON.stringify({ dbs }))
    const child = spawn(litestreamPath() ?? '', ['replicate', '-config', configPath], { stdio: 'ignore' })
    const replication = new Replication(child, replica)
    while (replication.place() === undefined) {
      if (child.exitCode !== null) throw new Error(`litestream ended with ${child.exitCode}`)
      await systemClock.sleep(POLL_MS)
    }
    return replication
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Behind the last byte of the WAL that the replica covers; undefined before the first segment. */
  place(): LogPlace | undefined {
    const folder = this.#segments()
    const last = folder === undefined ? undefined : lastSegment(folder)
    if (folder === undefined || last === undefined) return undefined
    const bytes = lz4FrameBytes(readFileSync(join(folder, last.name)))
    return { run: last.run, offset: last.offset + bytes }
  }

  #segments(): string | undefined {
    const generations = join(this.#replica, 'generations')
    if (!existsSync(generations)) return undefined
    const folders = readdirSync(generations).map((name) => join(generations, name, 'wal'))
    return folders.find((folder) => existsSync(folder))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.kill('SIGTERM')
    await once(this.#child, 'exit')
  }
}

/** Segments are named `<run>_<offset>.wal.lz4`, both in hexadecimal. */
function lastSegment(folder: string): { name: string; run: number; offset: number } | undefined {
  const names = readdirSync(folder).filter((name) => name.endsWith('.wal.lz4'))
  const name = names.sort().at(-1)
  const [run, offset] = name?.split('.')[0]?.split('_') ?? []
  if (name === undefined || run === undefined || offset === undefined) return undefined
  return { name, run: Number.parseInt(run, 16), offset: Number.parseInt(offset, 16) }
}

/** Restores what a replica holds into a new file. */
export async function restoreReplica(replica: string, target: string): Promise<Cost> {
  const args = ['restore', '-o', target, `file://${replica}`]
  return (await measuredCommand({ file: litestreamPath() ?? '', args })).cost
}

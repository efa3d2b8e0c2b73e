import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cgroupVersions, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'

const run = promisify(execFile)
const WAIT_MS_MAX = 30_000

/** Compiles the launcher that answers fsync without a sync into `scratch`, and returns its path. */
export async function buildFsyncSuppressor(scratch: string): Promise<string> {
  const binary = join(scratch, 'suppress-fsync')
  const source = fileURLToPath(new URL('suppress-fsync.c', import.meta.url))
  await run('gcc', ['-O1', '-Wall', '-Werror', '-o', binary, source])
  return binary
}

export interface WriterOptions {
  /** A program beside this file, and its arguments before the last one: the file of its acknowledged number. */
  readonly program: string
  readonly arguments: readonly string[]
  /** Its working directory. */
  readonly directory: string
  /** For files that are not captured. */
  readonly scratch: string
  /** The launcher that suppresses fsync; null: fsync is the file system's own. */
  readonly launcher: string | null
}

/** A program that writes at full speed in a cgroup of its own, until it is disposed of. */
export class RunningWriter implements AsyncDisposable {
  readonly cgroup: FreezerCgroup
  readonly #acknowledged: number
  readonly #complaints: string
  readonly #word = Buffer.alloc(8)

  private constructor(cgroup: FreezerCgroup, acknowledged: number, complaints: string) {
    this.cgroup = cgroup
    this.#acknowledged = acknowledged
    this.#complaints = complaints
  }

  static async start(options: WriterOptions): Promise<RunningWriter> {
    const acknowledged = join(options.scratch, 'acknowledged')
    const complaints = join(options.scratch, 'complaints')
    writeFileSync(acknowledged, Buffer.alloc(8))
    writeFileSync(complaints, '')
    const program = fileURLToPath(new URL(options.program, import.meta.url))
    const words = ['python3', program, ...options.arguments, acknowledged]
    if (options.launcher !== null) words.unshift(options.launcher)
    const cgroup = new FreezerCgroup(cgroupVersions()[0] ?? 2)
    const writer = new RunningWriter(cgroup, openSync(acknowledged, 'r'), complaints)
    try {
      const command = words.map((word) => `'${word}'`).join(' ')
      await cgroup.spawn(`PYTHONDONTWRITEBYTECODE=1 exec ${command} 2>> '${complaints}'`, options.directory)
      return writer
    } catch (error) {
      await writer[Symbol.asyncDispose]()
      throw error
    }
  }

  /** The number of the last step whose end the writer has seen. */
  acknowledged(): number {
    readSync(this.#acknowledged, this.#word, 0, 8, 0)
    return Number(this.#word.readBigUInt64LE())
  }

  /** Resolves when that many steps are done. */
  async reached(number: number): Promise<void> {
    const until = performance.now() + WAIT_MS_MAX
    while (this.acknowledged() < number) {
      const complaints = readFileSync(this.#complaints, 'utf8')
      assert.equal(complaints, '', `the writer stopped after ${this.acknowledged()} steps`)
      assert(performance.now() < until, `the writer did ${this.acknowledged()} steps instead of ${number}`)
      await delay(2)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#acknowledged)
    await this.cgroup[Symbol.asyncDispose]()
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { DurableHome } from './durable-home.ts'

const CHILD = fileURLToPath(import.meta.resolve('./commit-loop-child.ts'))

export interface Acknowledged {
  readonly id: string
  readonly version: number
  /** When it was heard, in milliseconds. */
  readonly atMs: number
}

/** A process of its own that commits one version of a tree after another, and what it said so far. */
export class CommitLoop implements AsyncDisposable {
  readonly acks: Acknowledged[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #heard = Promise.withResolvers<void>()

  constructor(home: DurableHome, version: number) {
    const args = [CHILD, home.root, home.directory, String(version)]
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const lines = this.#child.stdout && createInterface({ input: this.#child.stdout })
    lines?.on('line', (line) => this.#hear(line))
    this.#ended = Promise.all([once(this.#child, 'exit'), lines && once(lines, 'close')])
  }

  /** Resolves once that many commits were acknowledged, or the process has ended. */
  async acknowledged(count: number): Promise<void> {
    let isOver = false
    const ended = this.#ended.then(() => {
      isOver = true
    })
    while (this.acks.length < count && !isOver) await Promise.race([this.#heard.promise, ended])
  }

  /** Ends the process, and resolves after its last word was heard. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  #hear(line: string): void {
    const [word, id = '', version] = line.split(' ')
    if (word !== 'ack') return
    this.acks.push({ id, version: Number(version), atMs: performance.now() })
    this.#heard.resolve()
    this.#heard = Promise.withResolvers<void>()
  }
}

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(import.meta.resolve('./append-loop-child.ts'))

export interface Acknowledged {
  readonly epoch: number
  readonly id: string
}

/** A process of its own that appends to one workspace of a SQLite history, and what it said so far. */
export class AppendLoop implements AsyncDisposable {
  readonly acks: Acknowledged[] = []
  readonly refusals: { readonly epoch: number; readonly code: string }[] = []
  done = false
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #ready = Promise.withResolvers<void>()
  readonly #waiting: { readonly acks: number; readonly resume: () => void }[] = []

  constructor(path: string, workspace: string, count: { readonly rounds: number; readonly appends: number }) {
    const args = [CHILD, path, workspace, String(count.rounds), String(count.appends)]
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    assert.ok(this.#child.stdout)
    const lines = createInterface({ input: this.#child.stdout })
    lines.on('line', (line) => this.#hear(line))
    this.#ended = Promise.all([once(this.#child, 'exit'), once(lines, 'close')])
  }

  /** Resolves once the process has the history open; it appends from `begin` on. */
  async ready(): Promise<void> {
    await Promise.race([this.#ready.promise, this.#ended])
  }

  begin(): void {
    this.#child.stdin?.end()
  }

  /** Resolves once that many commits were acknowledged, or the process has ended. */
  async acknowledged(acks: number): Promise<void> {
    const heard = Promise.withResolvers<void>()
    this.#waiting.push({ acks, resume: heard.resolve })
    if (this.acks.length >= acks) heard.resolve()
    await Promise.race([heard.promise, this.#ended])
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves after the last line was heard. */
  async ended(): Promise<void> {
    await this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL')
    await this.#ended
  }

  #hear(line: string): void {
    const [word, epoch, what] = line.split(' ')
    if (word === 'ready') this.#ready.resolve()
    if (word === 'done') this.done = true
    if (word === 'refused') this.refusals.push({ epoch: Number(epoch), code: what ?? '' })
    if (word === 'ack' && what?.length === 64) this.acks.push({ epoch: Number(epoch), id: what })
    for (const waiting of this.#waiting) if (this.acks.length >= waiting.acks) waiting.resume()
  }
}

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { DurableHome } from './durable-home.ts'

const CHILD = fileURLToPath(import.meta.resolve('./race-child.ts'))

/** What a process does until it is killed: `race-child.ts`. */
export type RaceRole = 'commit' | 'tidy' | 'restore'

/** One process of a race, and every line that it said. */
export class RaceProcess {
  readonly said: (readonly string[])[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #stderr = ''

  constructor(role: RaceRole, home: DurableHome, seed = 1) {
    const args = [CHILD, role, home.root, home.directory, String(seed)]
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const { stdout, stderr } = this.#child
    assert(stdout && stderr)
    const lines = createInterface({ input: stdout })
    lines.on('line', (line) => this.said.push(line.split(' ')))
    stderr.on('data', (chunk) => (this.#stderr += String(chunk)))
    this.#ended = Promise.all([once(this.#child, 'exit'), once(lines, 'close')])
  }

  /** How often it said that word. */
  count(word: string): number {
    return this.said.filter(([first]) => first === word).length
  }

  /** The generations that it said that word of. */
  idsOf(word: string): (string | undefined)[] {
    return this.said.filter(([first]) => first === word).map(([, id]) => id)
  }

  /** Kills it with -9, after which it has said all that it will; fails if it had ended before. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
    assert.equal(this.#child.signalCode, 'SIGKILL', this.#stderr)
  }
}

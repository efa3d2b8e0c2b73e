import { EventEmitter } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Readable, Writable } from 'node:stream'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { runCli } from './run-cli.ts'

/** What one command line did. */
export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** A stream that keeps what is written to it; with `columns` it passes for a terminal. */
class KeptStream extends Writable {
  readonly isTTY: boolean
  readonly columns: number
  readonly #parts: Buffer[] = []

  constructor(columns?: number) {
    super()
    this.isTTY = columns !== undefined
    this.columns = columns ?? 0
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  get text(): string {
    return this.bytes.toString('utf8')
  }

  override _write(part: Buffer, _encoding: string, done: () => void): void {
    this.#parts.push(Buffer.from(part))
    done()
  }
}

/** A home, a directory `project` beside it, and a way to run command lines in this process. */
export class Workbench implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'hold-cli-'))
  readonly signals = new EventEmitter()

  get project(): string {
    return join(this.path, 'project')
  }

  get home(): string {
    return join(this.path, 'home')
  }

  async hold(...words: readonly string[]): Promise<Ran> {
    return this.holdWith({}, ...words)
  }

  /** As `hold`, with more of an environment, on a terminal of so many columns, or later. */
  async holdWith(
    ground: {
      readonly environment?: Record<string, string>
      readonly columns?: number
      /** How much later than now it seems to be. */
      readonly laterMs?: number
      /** What a person at the terminal answers; absent: there is none. */
      readonly answer?: string
      /** What is piped in. */
      readonly input?: readonly Uint8Array[]
      /** Of the screen; it is resized to 100 by 40 at once. */
      readonly size?: { readonly columns: number; readonly rows: number }
    },
    ...words: readonly string[]
  ): Promise<Ran> {
    const [stdout, stderr] = [new KeptStream(ground.columns), new KeptStream(ground.columns)]
    const sizes = ground.size === undefined ? [] : [ground.size, { columns: 100, rows: 40 }]
    const exitCode = await runCli(words, {
      environment: { PATH: process.env.PATH, HOLDFAST_HOME: this.home, ...ground.environment },
      stdout,
      stderr,
      clock: { ...systemClock, wallMs: () => systemClock.wallMs() + (ground.laterMs ?? 0) },
      randomness: systemRandomness,
      isRoot: process.geteuid?.() === 0,
      onTerminal: ground.answer !== undefined,
      ask: async () => ground.answer ?? '',
      signals: this.signals,
      terminal: {
        input: Readable.from(ground.input ?? []),
        isInputTerminal: false,
        size: () => sizes.shift(),
        raw: () => ({ [Symbol.dispose]: () => {} }),
        onResize: (listener) => {
          listener()
          return { [Symbol.dispose]: () => {} }
        },
      },
      end: () => {},
    })
    return { exitCode, stdout: stdout.text, stderr: stderr.text }
  }

  /** Runs a command line that must succeed, and gives what it printed. */
  async printed(...words: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.hold(...words)
    if (exitCode !== 0) throw new Error(`hold ${words.join(' ')} ended with ${exitCode}: ${stderr}`)
    return stdout
  }

  /** The document that a command prints with `-o json`. */
  async json(...words: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.printed(...words, '-o', 'json'))
  }

  write(path: string, text: string | Uint8Array): void {
    const whole = join(this.project, path)
    mkdirSync(dirname(whole), { recursive: true })
    writeFileSync(whole, text)
  }

  /** Runs SQL in a database of the project. */
  sql(path: string, text: string): void {
    mkdirSync(this.project, { recursive: true })
    const database = new DatabaseSync(join(this.project, path))
    database.exec(text)
    database.close()
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

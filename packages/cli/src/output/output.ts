import { once } from 'node:events'
import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { EXIT } from '../exit-codes.ts'
import { failureJson, failureText, type Told } from './failure.ts'
import { colourPaint, type Paint, plainPaint } from './paint.ts'
import { Progress, type ProgressState } from './progress.ts'

/** A standard stream; `columns` only where it is a terminal. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean
  readonly columns?: number
}

/**
 * `text` for people, `wide` the same with every column, `json` and `yaml` one document for programs, `ids` only what
 * names things, one a line, `names` the same by names where there are.
 */
export type OutputMode = 'text' | 'wide' | 'json' | 'yaml' | 'ids' | 'names'

/** One result in each of its forms; only the one that is asked for is made. */
export interface Shown {
  readonly text: () => string
  readonly json: () => unknown
  readonly ids: () => readonly string[]
  /** Absent: the ids. */
  readonly names?: () => readonly string[]
}

const COLUMNS_DEFAULT = 80
const PART_BYTES = 1 << 16

/** What a command says: results on the standard output, progress and failures on the standard error. */
export class Output {
  readonly mode: OutputMode
  /** Colours for the standard output. */
  readonly paint: Paint
  readonly #stdout: OutputStream
  readonly #stderr: OutputStream
  readonly #clock: Clock
  readonly #paintFailure: Paint
  /** Called when nobody reads the standard output any more (`| head`). */
  onReaderGone: () => void

  constructor(
    ground: {
      readonly stdout: OutputStream
      readonly stderr: OutputStream
      readonly clock: Clock
      /** Ends the process at once. */
      readonly end: (exitCode: number) => void
    },
    look: { readonly mode: OutputMode; readonly colours: boolean },
  ) {
    this.onReaderGone = () => ground.end(EXIT.ok)
    ground.stdout.on('error', (error) => this.#lose(error))
    ground.stderr.on('error', (error) => this.#lose(error))
    this.mode = look.mode
    this.#stdout = ground.stdout
    this.#stderr = ground.stderr
    this.#clock = ground.clock
    this.paint = look.colours && ground.stdout.isTTY ? colourPaint : plainPaint
    this.#paintFailure = look.colours && ground.stderr.isTTY ? colourPaint : plainPaint
  }

  /** Columns of the terminal that results go to; undefined where they go elsewhere. */
  get width(): number | undefined {
    return this.#stdout.isTTY ? (this.#stdout.columns ?? COLUMNS_DEFAULT) : undefined
  }

  async show(result: Shown): Promise<void> {
    await this.write(await this.#formOf(result))
  }

  async #formOf({ text, json, ids, names = ids }: Shown): Promise<string> {
    switch (this.mode) {
      case 'text':
      case 'wide':
        return text()
      case 'json':
        return `${JSON.stringify(json(), null, 2)}\n`
      case 'yaml':
        return (await import('yaml')).stringify(json())
      case 'ids':
        return linesOf(ids())
      case 'names':
        return linesOf(names())
    }
  }

  /** True where the result is read by a person. */
  get isForPeople(): boolean {
    return this.mode === 'text' || this.mode === 'wide'
  }

  /** Writes to the standard output and waits while the reader is behind. */
  async write(part: string | Uint8Array): Promise<void> {
    await writeAll(this.#stdout, part)
  }

  /** As `write`, to the standard error: what a command of another place wrote to its own. */
  async writeThrough(part: Uint8Array): Promise<void> {
    await writeAll(this.#stderr, part)
  }

  /** A remark for people, on the standard error. */
  note(line: string): void {
    if (this.isForPeople) this.#stderr.write(`${line}\n`)
  }

  /** Shows people how far `work` is, as `source` tells it. */
  async during<T>(label: string, source: () => ProgressState, work: () => Promise<T>): Promise<T> {
    if (!this.isForPeople) return await work()
    const sink = {
      write: (text: string) => void this.#stderr.write(text),
      columns: () => (this.#stderr.isTTY ? (this.#stderr.columns ?? COLUMNS_DEFAULT) : undefined),
    }
    using _shown = new Progress(label, source, { sink, clock: this.#clock })
    return await work()
  }

  showFailure(failure: Told): void {
    const isForProgram = this.mode === 'json' || this.mode === 'yaml'
    this.#stderr.write(isForProgram ? failureJson(failure) : failureText(failure, this.#paintFailure))
  }

  /** One line that is told last, below whatever a terminal shows of progress. */
  showEnd(line: string): void {
    this.#stderr.write(`${this.#stderr.isTTY ? '\r\x1b[K' : ''}${line}\n`)
  }

  /** Text as it is, on the standard error. */
  writeError(text: string): void {
    this.#stderr.write(text)
  }

  #lose(error: Error): void {
    if (errnoOf(error) !== 'EPIPE') throw error
    this.onReaderGone()
  }
}

function linesOf(words: readonly string[]): string {
  return words.map((word) => `${word}\n`).join('')
}

async function writeAll(stream: OutputStream, part: string | Uint8Array): Promise<void> {
  const bytes = typeof part === 'string' ? Buffer.from(part) : part
  for (let at = 0; at < bytes.length && stream.writable; at += PART_BYTES) {
    if (!stream.write(bytes.subarray(at, at + PART_BYTES))) await drained(stream)
  }
}

/** Resolves when the reader has caught up, or has gone. */
async function drained(stream: OutputStream): Promise<void> {
  try {
    await once(stream, 'drain')
  } catch (error) {
    if (errnoOf(error) !== 'EPIPE') throw error
  }
}

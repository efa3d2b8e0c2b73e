import { once } from 'node:events'
import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import type { Failure } from '@holdfast/base/failure'
import { EXIT } from '../exit-codes.ts'
import { failureJson, failureText } from './failure.ts'
import { colourPaint, type Paint, plainPaint } from './paint.ts'
import { Progress, type ProgressState } from './progress.ts'

/** A standard stream; `columns` only where it is a terminal. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean
  readonly columns?: number
}

/** `text` for people, `json` one document for programs, `ids` only what names things, one a line. */
export type OutputMode = 'text' | 'json' | 'ids'

/** One result in each of its forms; only the one that is asked for is made. */
export interface Shown {
  readonly text: () => string
  readonly json: () => unknown
  readonly ids: () => readonly string[]
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
    if (this.mode === 'json') await this.write(`${JSON.stringify(result.json(), null, 2)}\n`)
    else if (this.mode === 'ids')
      await this.write(
        result
          .ids()
          .map((id) => `${id}\n`)
          .join(''),
      )
    else await this.write(result.text())
  }

  /** Writes to the standard output and waits while the reader is behind. */
  async write(part: string | Uint8Array): Promise<void> {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    for (let at = 0; at < bytes.length && this.#stdout.writable; at += PART_BYTES) {
      if (!this.#stdout.write(bytes.subarray(at, at + PART_BYTES))) await this.#drained()
    }
  }

  /** A remark for people, on the standard error. */
  note(line: string): void {
    if (this.mode === 'text') this.#stderr.write(`${line}\n`)
  }

  /** Shows people how far `work` is, as `source` tells it. */
  async during<T>(label: string, source: () => ProgressState, work: () => Promise<T>): Promise<T> {
    if (this.mode !== 'text') return await work()
    const sink = {
      write: (text: string) => void this.#stderr.write(text),
      columns: () => (this.#stderr.isTTY ? (this.#stderr.columns ?? COLUMNS_DEFAULT) : undefined),
    }
    using _shown = new Progress(label, source, { sink, clock: this.#clock })
    return await work()
  }

  showFailure(failure: Failure): void {
    this.#stderr.write(this.mode === 'json' ? failureJson(failure) : failureText(failure, this.#paintFailure))
  }

  /** One line that is told last, below whatever a terminal shows of progress. */
  showEnd(line: string): void {
    this.#stderr.write(`${this.#stderr.isTTY ? '\r\x1b[K' : ''}${line}\n`)
  }

  /** Text as it is, on the standard error. */
  writeError(text: string): void {
    this.#stderr.write(text)
  }

  /** Resolves when the reader has caught up, or has gone. */
  async #drained(): Promise<void> {
    try {
      await once(this.#stdout, 'drain')
    } catch (error) {
      if (errnoOf(error) !== 'EPIPE') throw error
    }
  }

  #lose(error: Error): void {
    if (errnoOf(error) !== 'EPIPE') throw error
    this.onReaderGone()
  }
}

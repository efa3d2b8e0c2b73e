import type { OutputGap, StartedExec, OutputPiece as WirePiece } from '@holdfast/protocol/rest/exec'
import { type Api, type CallOptions, pathOf, type Shown } from './api.ts'
import { followEvents } from './event-stream.ts'
import {
  base64OfBytes,
  CollectedOutput,
  type ExecResult,
  type ExecState,
  type OutputPiece,
  PieceDecoder,
} from './exec-result.ts'
import { HoldfastError } from './holdfast-error.ts'
import { Terminal } from './terminal.ts'

/** In base64 below the 90,000 characters that one request takes. */
const INPUT_BYTES_MAX = 60_000
/** Of each stream; what is older is dropped from a result. */
const OUTPUT_CHARACTERS_MAX = 16 << 20

/** How output is followed. */
export interface OutputOptions extends CallOptions {
  /** Begins behind this sequence number. */
  readonly after?: number
  /** Told where the server no longer keeps output that was not read yet. */
  readonly onGap?: (gap: Shown<typeof OutputGap>) => void
}

export interface WaitOptions extends CallOptions {
  readonly onStdout?: ((piece: OutputPiece) => void) | undefined
  readonly onStderr?: ((piece: OutputPiece) => void) | undefined
}

/** A command on a workspace, running or ended. It lives on the server: dropping this ends nothing. */
export class RunningExec implements AsyncIterable<OutputPiece> {
  readonly #api: Api
  readonly #path: readonly string[]
  #started: Shown<typeof StartedExec>

  constructor(api: Api, started: Shown<typeof StartedExec>) {
    this.#api = api
    this.#started = started
    this.#path = ['workspaces', started.exec.workspaceId, 'execs', started.exec.id]
  }

  get id(): string {
    return this.#started.exec.id
  }

  /** As last heard. */
  get state(): ExecState {
    return this.#started.exec
  }

  async refresh(options: CallOptions = {}): Promise<ExecState> {
    const exec = await this.#api.json<ExecState>({ method: 'GET', path: pathOf(...this.#path), ...options })
    this.#started = { ...this.#started, exec }
    return exec
  }

  /** Output until the end of the command, across lost connections, each piece once. */
  async *output(options: OutputOptions = {}): AsyncGenerator<OutputPiece, void> {
    const { signal, onGap } = options
    const decoder = new PieceDecoder()
    let after = options.after ?? 0
    const early = this.#started.output[0]?.sequence === after + 1 ? this.#started.output : []
    for (const piece of early) {
      after = piece.sequence
      yield decoder.decode(piece)
    }
    const { exec } = this.#started
    if (exec.status !== 'running' && after >= exec.lastSequence) return
    const events = followEvents(
      this.#api,
      { path: pathOf(...this.#path, 'output'), query: { after, follow: true }, signal },
      ({ name }) => name === 'end',
    )
    for await (const { name, document } of events) {
      if (name === 'end') this.#started = { ...this.#started, exec: document as ExecState }
      else if (name === 'gap') onGap?.(document as Shown<typeof OutputGap>)
      else if (name === 'chunk') {
        const piece = document as Shown<typeof WirePiece>
        if (piece.sequence <= after) continue
        after = piece.sequence
        yield decoder.decode(piece)
      }
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<OutputPiece, void> {
    return this.output()
  }

  /** Resolves when the command has ended. */
  async wait(options: WaitOptions = {}): Promise<ExecResult> {
    const collected = new CollectedOutput(OUTPUT_CHARACTERS_MAX)
    const onGap = () => {
      collected.isWhole = false
    }
    for await (const piece of this.output({ signal: options.signal, onGap })) {
      collected.add(piece)
      const tell = piece.stream === 'stderr' ? options.onStderr : options.onStdout
      tell?.(piece)
    }
    const { id, status, exitCode, signal, reason } = this.state
    const { stdout, stderr, isWhole: isOutputWhole } = collected
    return { id, status, exitCode, signal, reason, stdout, stderr, isOutputWhole }
  }

  /** Writes to the standard input, which `stdin: true` left open. */
  async write(input: string | Uint8Array, options: CallOptions = {}): Promise<void> {
    const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input
    for (let at = 0; at < bytes.length; at += INPUT_BYTES_MAX)
      await this.#input({ bytes: base64OfBytes(bytes.subarray(at, at + INPUT_BYTES_MAX)) }, options)
  }

  /** Closes the standard input. */
  async endInput(options: CallOptions = {}): Promise<void> {
    await this.#input({ isEnd: true }, options)
  }

  /** Sends a signal, as `SIGTERM`, to the command and what it started. */
  async signal(signal: string, options: CallOptions = {}): Promise<void> {
    await this.#post('signal', { signal }, options)
  }

  async kill(options: CallOptions = {}): Promise<void> {
    await this.signal('SIGKILL', options)
  }

  /** Tells a command with a terminal how large that is. */
  async resize(size: { readonly columns: number; readonly rows: number }): Promise<void> {
    await this.#post('resize', size, {})
  }

  /** Connects to the terminal of a command that has one. Output begins behind `after`. */
  attach(options: { readonly after?: number } = {}): Terminal {
    if (!this.state.terminal)
      throw new HoldfastError({ code: 'invalid-argument', message: `command ${this.id} has no terminal` })
    const { after = 0 } = options
    return new Terminal(this.#api.socket(pathOf(...this.#path, 'attach'), { after }))
  }

  async #input(body: { readonly bytes?: string; readonly isEnd?: boolean }, options: CallOptions) {
    await this.#post('stdin', body, options)
  }

  async #post(action: string, body: unknown, options: CallOptions): Promise<void> {
    await this.#api.finish({
      method: 'POST',
      path: pathOf(...this.#path, action),
      body,
      ...options,
    })
  }
}

import type { CreateExec, StartedExec, Exec as WireExec } from '@holdfast/protocol/rest/exec'
import { type Api, type Asked, type CallOptions, pathOf, type Shown } from './api.ts'
import { ExecError, type ExecResult, type ExecState, type OutputPiece } from './exec-result.ts'
import { pageItems } from './page-items.ts'
import { RunningExec } from './running-exec.ts'

/** Words as they are, or one line for `sh -c`. */
export type CommandLine = string | readonly string[]

export interface StartOptions extends CallOptions {
  /** Absolute, or relative to `/workspace`. */
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** `root` only where the workspace allows it. */
  readonly user?: 'user' | 'root' | undefined
  /** The command is ended when it has run that long. */
  readonly timeoutMs?: number | undefined
  /** Leaves the standard input open for `write`. */
  readonly stdin?: boolean | undefined
  /** A terminal of this size in place of three pipes. */
  readonly terminal?: { readonly columns: number; readonly rows: number } | undefined
  /** Names the command, so that starting it again runs nothing twice. */
  readonly id?: string | undefined
  /** False: a stopped workspace is a failure in place of being resumed. */
  readonly resume?: boolean | undefined
}

export interface ExecOptions extends Omit<StartOptions, 'stdin' | 'terminal'> {
  /** All of the standard input. */
  readonly stdin?: string | Uint8Array | undefined
  readonly onStdout?: ((text: string, piece: OutputPiece) => void) | undefined
  readonly onStderr?: ((text: string, piece: OutputPiece) => void) | undefined
  /** Rejects with an ExecError unless the command exits with 0. */
  readonly throwOnError?: boolean | undefined
  readonly detached?: false | undefined
}

/** A fast command is answered together with its end; output of others begins to come after this. */
const LIVE_WAIT = '25ms'
const WHOLE_WAIT = '20s'
const OUTPUT_BYTES_MAX = 1 << 20

/** The commands of one workspace. */
export class Execs {
  readonly #api: Api
  readonly #workspace: string

  constructor(api: Api, workspace: string) {
    this.#api = api
    this.#workspace = workspace
  }

  /** Runs a command to its end. Raising the signal kills the command too. */
  async run(command: CommandLine, options: ExecOptions = {}): Promise<ExecResult> {
    const { stdin, onStdout, onStderr, throwOnError, detached: _never, ...start } = options
    const isLive = stdin !== undefined || onStdout !== undefined || onStderr !== undefined
    const id = options.id ?? this.#api.ground.newKey()
    try {
      const running = await this.#start(
        command,
        { ...start, id, stdin: stdin !== undefined },
        isLive ? LIVE_WAIT : WHOLE_WAIT,
      )
      const ended = running.wait({
        signal: options.signal,
        onStdout: onStdout && ((piece) => onStdout(piece.text, piece)),
        onStderr: onStderr && ((piece) => onStderr(piece.text, piece)),
      })
      const [result] = await Promise.all([ended, stdin === undefined ? undefined : feed(running, stdin)])
      if (throwOnError && result.exitCode !== 0) throw new ExecError(result, textOf(command))
      return result
    } catch (error) {
      if (options.signal?.aborted) await this.#killAbandoned(id)
      throw error
    }
  }

  /** Starts a command and leaves it running. */
  async start(command: CommandLine, options: StartOptions = {}): Promise<RunningExec> {
    return await this.#start(command, options, LIVE_WAIT)
  }

  /** The command of that id, running or ended. */
  async connect(id: string, options: CallOptions = {}): Promise<RunningExec> {
    const path = pathOf('workspaces', this.#workspace, 'execs', id)
    const exec = await this.#api.json<ExecState>({ method: 'GET', path, ...options })
    return new RunningExec(this.#api, { exec, output: [], isOutputWhole: false })
  }

  /** Newest first. */
  list(options: CallOptions = {}): AsyncGenerator<ExecState, void> {
    const path = pathOf('workspaces', this.#workspace, 'execs')
    return pageItems(async (cursor) => {
      type Page = { readonly items: readonly Shown<typeof WireExec>[]; readonly nextCursor: string | null }
      return await this.#api.json<Page>({ method: 'GET', path, query: { cursor }, ...options })
    })
  }

  async #start(command: CommandLine, options: StartOptions, wait: string): Promise<RunningExec> {
    const { env, signal, ...rest } = options
    const body: Asked<typeof CreateExec> = {
      ...rest,
      ...(typeof command === 'string' ? { shell: command } : { argv: command }),
      // Asking again with the same id runs nothing twice, even where the Idempotency-Key is forgotten already.
      id: options.id ?? this.#api.ground.newKey(),
      environment: env,
      outputBytesMax: OUTPUT_BYTES_MAX,
    }
    const started = await this.#api.json<Shown<typeof StartedExec>>({
      method: 'POST',
      path: pathOf('workspaces', this.#workspace, 'execs'),
      query: { wait },
      body,
      signal,
    })
    return new RunningExec(this.#api, started)
  }

  /** The signal of the caller is raised, so this goes without it; a command that never began is not there. */
  async #killAbandoned(id: string): Promise<void> {
    const path = pathOf('workspaces', this.#workspace, 'execs', id)
    await this.#api.finish({ method: 'DELETE', path }).catch(() => {})
  }
}

async function feed(running: RunningExec, input: string | Uint8Array): Promise<void> {
  try {
    await running.write(input)
    await running.endInput()
  } catch (error) {
    // A command that ends without reading all of its input is no failure.
    if ((await running.refresh()).status === 'running') throw error
  }
}

function textOf(command: CommandLine): string {
  return typeof command === 'string' ? command : command.join(' ')
}

import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { systemClock } from '@holdfast/base/clock'
import type { Exec, OutputPiece } from '@holdfast/protocol/rest/exec'
import type { z } from 'zod'

type Piece = z.infer<typeof OutputPiece>

/** A command of the double: a real process of this machine, in the place of a sandbox's. */
export class DoubleExec {
  readonly document: Exec
  readonly pieces: Piece[] = []
  /** `change` at each piece and at the end. */
  readonly changes = new EventEmitter().setMaxListeners(0)
  readonly sizes: { readonly columns: number; readonly rows: number }[] = []
  readonly #child: ChildProcess

  constructor(
    document: Exec,
    ground: {
      readonly directory: string
      readonly environment: Record<string, string>
      readonly stdin: boolean
    },
    timeoutMs: number | undefined,
  ) {
    this.document = document
    const [program = '', ...args] = document.terminal ? onTerminal(document.argv) : document.argv
    this.#child = spawn(program, args, {
      cwd: ground.directory,
      env: { PATH: process.env.PATH, HOME: ground.directory, ...ground.environment },
      stdio: [ground.stdin || document.terminal ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.#child.stdin?.on('error', () => {}) // it need not read its input
    this.#follow('stdout')
    this.#follow('stderr')
    this.#child.on('error', () => this.#end(127, null))
    this.#child.on('close', (code, signal) => this.#end(code, signal))
    if (timeoutMs !== undefined) this.#endAfter(timeoutMs)
  }

  get isRunning(): boolean {
    return this.document.status === 'running'
  }

  write(bytes: Uint8Array): void {
    this.#child.stdin?.write(bytes)
  }

  endInput(): void {
    this.#child.stdin?.end()
  }

  signal(name: string): void {
    if (this.#child.pid !== undefined && this.isRunning) process.kill(-this.#child.pid, name)
  }

  /** Resolves after the end, or after so long. */
  async ended(waitMs: number): Promise<void> {
    const over = AbortSignal.timeout(waitMs)
    while (this.isRunning && !over.aborted) await this.changed(over)
  }

  async changed(signal: AbortSignal): Promise<void> {
    await once(this.changes, 'change', { signal }).catch(() => {}) // the time is over
  }

  #follow(stream: 'stdout' | 'stderr'): void {
    this.#child[stream]?.on('data', (bytes: Buffer) => {
      const sequence = this.document.last_sequence + 1
      this.document.last_sequence = sequence
      this.pieces.push({
        sequence,
        stream: this.document.terminal ? 'terminal' : stream,
        at: systemClock.wallMs(),
        bytes: bytes.toString('base64'),
      })
      this.changes.emit('change')
    })
  }

  #endAfter(timeoutMs: number): void {
    systemClock.sleep(timeoutMs, this.#over.signal).then(
      () => {
        this.document.status = 'timed_out'
        if (this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL')
      },
      () => {}, // it ended before
    )
  }

  readonly #over = new AbortController()

  #end(code: number | null, signal: string | null): void {
    if (this.document.ended_at !== null) return
    this.#over.abort()
    this.document.ended_at = systemClock.wallMs()
    this.document.signal = signal
    if (this.document.status === 'running') {
      this.document.status = signal === null ? 'exited' : 'killed'
      this.document.exit_code = signal === null ? code : null
      this.document.reason = signal === null ? null : 'signal'
    }
    this.changes.emit('change')
  }
}

/** `script` gives a command a terminal. */
function onTerminal(argv: readonly string[]): string[] {
  const quoted = argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`)
  return ['script', '-qefc', quoted.join(' '), '/dev/null']
}

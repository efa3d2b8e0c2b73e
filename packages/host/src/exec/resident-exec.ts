import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { ExecRequest, ExecState } from '@holdfast/protocol/exec'
import type { SandboxExec } from '@holdfast/sandbox/runtime'
import { decideEnd, type EndIntent } from './exec-end.ts'
import type { OutputRing } from './output-ring.ts'

/** Between TERM and KILL of a command that ran out of time. */
const TIMEOUT_GRACE_MS = 5000

export interface ResidentExecDeps {
  readonly clock: Clock
  readonly ring: OutputRing
  readonly isService: boolean
  /** Told once, with the last state. */
  readonly onEnded: (exec: ResidentExec) => void
}

/** A command of a workspace: its state, its output, and while it runs the way to it. */
export class ResidentExec {
  readonly ring: OutputRing
  readonly isService: boolean
  /** Resolves with the last state. */
  readonly ended: Promise<ExecState>
  readonly #deps: ResidentExecDeps
  readonly #resolveEnded: (state: ExecState) => void
  #state: ExecState
  #running: SandboxExec | undefined
  #intent: EndIntent | undefined

  constructor(deps: ResidentExecDeps, state: ExecState) {
    const { promise, resolve } = Promise.withResolvers<ExecState>()
    this.#deps = deps
    this.ring = deps.ring
    this.isService = deps.isService
    this.#state = state
    this.ended = promise
    this.#resolveEnded = resolve
    if (state.status !== 'running') resolve(state)
  }

  get id(): string {
    return this.#state.id
  }

  get state(): ExecState {
    return this.isRunning ? { ...this.#state, lastSequence: this.ring.lastSequence } : this.#state
  }

  get isRunning(): boolean {
    return this.#state.status === 'running'
  }

  /** Called once, with what the sandbox has started. */
  run(running: SandboxExec, request: ExecRequest): void {
    this.#running = running
    void this.#follow(running, request)
  }

  /** The command never ran, or nobody knows: its state says so from now on. */
  end(state: ExecState): void {
    this.#state = state
    this.#resolveEnded(state)
    this.#deps.onEnded(this)
    this.ring.wake()
  }

  /** Rejects with `invalid-state` unless it runs. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#expectRunning().write(bytes)
  }

  async endInput(): Promise<void> {
    await this.#expectRunning().endInput()
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#expectRunning().resize(columns, rows)
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    const running = this.#expectRunning()
    this.#intent ??= { kind: 'ended', reason: 'signal' }
    await running.signal(name)
  }

  /** What its end will be called if it ends from now on. */
  expectEnd(intent: EndIntent): void {
    this.#intent = intent
  }

  /** TERM, then KILL after the grace, unless it has ended. Resolves with its end. */
  async stop(intent: EndIntent, graceMs: number): Promise<ExecState> {
    const running = this.#running
    if (!this.isRunning || running === undefined) return this.state
    this.expectEnd(intent)
    if (graceMs > 0) {
      await running.signal('SIGTERM').catch(ignoreEnded)
      if (await this.endsWithin(graceMs)) return await this.ended
    }
    await running.kill().catch(ignoreEnded)
    return await this.ended
  }

  /** Whether it ends within some time. */
  async endsWithin(ms: number, signal?: AbortSignal): Promise<boolean> {
    if (!this.isRunning || ms <= 0) return !this.isRunning
    const over = new AbortController()
    const stopped = signal ? AbortSignal.any([signal, over.signal]) : over.signal
    const late = this.#deps.clock.sleep(ms, stopped).catch(() => {})
    await Promise.race([this.ended, late])
    over.abort(null)
    return !this.isRunning
  }

  #expectRunning(): SandboxExec {
    if (this.isRunning && this.#running) return this.#running
    throw new Failure('invalid-state', `${this.id} has ended`, { exec: this.id })
  }

  async #follow(running: SandboxExec, { timeoutMs }: ExecRequest): Promise<void> {
    const over = new AbortController()
    if (timeoutMs !== undefined) void this.#limit(timeoutMs, over.signal)
    const output = this.#drain(running)
    const end = await running.ended
    await output
    over.abort(null)
    const { clock } = this.#deps
    const lastSequence = this.ring.lastSequence
    this.end({ ...this.#state, ...decideEnd(end, this.#intent), endedAt: clock.wallMs(), lastSequence })
  }

  async #drain(running: SandboxExec): Promise<void> {
    try {
      for await (const { stream, bytes } of running.output) await this.ring.append(stream, bytes)
    } catch {
      // The way to the sandbox broke: what had arrived is kept, and `ended` tells the rest.
    }
  }

  async #limit(timeoutMs: number, over: AbortSignal): Promise<void> {
    try {
      await this.#deps.clock.sleep(timeoutMs, over)
    } catch {
      return // it ended in time
    }
    await this.stop({ kind: 'timeout' }, TIMEOUT_GRACE_MS)
  }
}

/** Whoever is to be ended may have ended by itself. */
function ignoreEnded(): void {}

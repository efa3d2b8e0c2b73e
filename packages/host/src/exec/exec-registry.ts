import { join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { ExecRequest, ExecState } from '@holdfast/protocol/exec'
import type { Sandbox, SandboxExec } from '@holdfast/sandbox/runtime'
import { lostState } from './exec-end.ts'
import { ExecJournal } from './exec-journal.ts'
import { OutputRing } from './output-ring.ts'
import { ResidentExec } from './resident-exec.ts'

/** How long an ended command is kept, and how many of a workspace. */
const KEPT_MS_MAX = 24 * 3_600_000
const KEPT_MAX = 1000
const RUNNING_MAX = 1024

export interface ExecRegistryDeps {
  readonly clock: Clock
  readonly folder: string
  /** Of the output of each command. */
  readonly ringBytesMax?: number
  /** A command of a client has ended. */
  readonly onEnded: (state: ExecState) => void
}

export interface StartOrder {
  readonly id: string
  readonly request: ExecRequest
  readonly isService?: boolean
}

/** The commands of one workspace, over all its incarnations on this host. */
export class ExecRegistry implements AsyncDisposable {
  readonly #deps: ExecRegistryDeps
  readonly #journal: ExecJournal
  readonly #execs = new Map<string, ResidentExec>()
  readonly #active = new Set<ResidentExec>()
  /** Oldest first; those that were forgotten by name are still in it. */
  readonly #ended: ResidentExec[] = []
  readonly #starting = new Map<string, Promise<ResidentExec>>()
  #quietSinceAt: number | null

  /** What an earlier process left running is lost. Rejects with `source-failed`. */
  constructor(deps: ExecRegistryDeps) {
    this.#deps = deps
    this.#journal = new ExecJournal(deps.folder)
    this.#quietSinceAt = deps.clock.wallMs()
    for (const { state, isService, isReported } of [...this.#journal.rows.values()]) {
      const exec = this.#make(state, { isService, isNew: false })
      this.#execs.set(state.id, exec)
      if (state.status === 'running') exec.end(lostState(state, deps.clock.wallMs(), exec.ring.lastSequence))
      else {
        this.#ended.push(exec)
        if (!isReported && !isService) deps.onEnded(state)
      }
    }
  }

  /** Since when no command of a client runs; null while one does. */
  get quietSinceAt(): number | null {
    return this.#running().some((exec) => !exec.isService) ? null : this.#quietSinceAt
  }

  /** Rejects with `not-found`. */
  get(id: string): ResidentExec {
    const exec = this.#execs.get(id)
    if (exec) return exec
    throw new Failure('not-found', `no command ${id} in this workspace`, { exec: id })
  }

  list(): ExecState[] {
    return Array.from(this.#execs.values(), (exec) => exec.state)
  }

  /**
   * Starts a command, or finds the one of that id; `sandbox` is asked only for one that is new. Rejects with `exec-failed`, with `invalid-state` where no sandbox
   * runs, and as the journal does; then the id may be used again.
   */
  async start(sandbox: () => Sandbox | undefined, order: StartOrder): Promise<ResidentExec> {
    const known = this.#execs.get(order.id) ?? this.#starting.get(order.id)
    if (known) return await known
    const started = this.#start(sandbox(), order).finally(() => this.#starting.delete(order.id))
    this.#starting.set(order.id, started)
    return await started
  }

  /** Ends what runs: TERM, then KILL after the grace. */
  async stopAll(reason: 'stop' | 'restart' | 'rollback' | 'handoff', graceMs: number): Promise<void> {
    const intent = { kind: 'ended', reason } as const
    await Promise.all(this.#running().map((exec) => exec.stop(intent, graceMs)))
  }

  /** The sandbox is about to end: so will all that runs be called. */
  expectEnd(reason: 'stop' | 'restart' | 'rollback' | 'handoff'): void {
    for (const exec of this.#running()) exec.expectEnd({ kind: 'ended', reason })
  }

  /** Resolves when every command of a client has ended, or after some time. */
  async drain(ms: number): Promise<void> {
    const clients = this.#running().filter((exec) => !exec.isService)
    await Promise.all(clients.map((exec) => exec.endsWithin(ms)))
  }

  /** Control has the end of it. */
  noteReported(id: string): void {
    const row = this.#journal.rows.get(id)
    if (row) this.#journal.note({ ...row, isReported: true })
  }

  /** Forgets a command that has ended, with its output. */
  async forget(id: string): Promise<void> {
    const exec = this.get(id)
    if (exec.isRunning) throw new Failure('invalid-state', `${id} runs`, { exec: id })
    this.#execs.delete(id)
    this.#journal.forget(id)
    await exec.ring.remove()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#execs.values(), (exec) => exec.ring.flush()))
    await this.#journal[Symbol.asyncDispose]()
  }

  #running(): ResidentExec[] {
    return [...this.#active]
  }

  async #start(
    sandbox: Sandbox | undefined,
    { id, request, isService = false }: StartOrder,
  ): Promise<ResidentExec> {
    if (sandbox === undefined) throw new Failure('invalid-state', 'the workspace does not run commands now')
    if (this.#active.size >= RUNNING_MAX)
      throw new Failure('overloaded', `${RUNNING_MAX} commands run in this workspace`, {
        runningMax: RUNNING_MAX,
      })
    const state = startState(id, this.#deps.clock.wallMs())
    await this.#journal.begin({ state, isService, isReported: false })
    const exec = this.#make(state, { isService, isNew: true })
    const running = await this.#exec(sandbox, exec, request)
    this.#execs.set(id, exec)
    if (running) {
      this.#active.add(exec)
      exec.run(running, request)
    }
    return exec
  }

  /** Undefined: nobody knows whether it ran. */
  async #exec(sandbox: Sandbox, exec: ResidentExec, request: ExecRequest): Promise<SandboxExec | undefined> {
    try {
      return await sandbox.exec(request)
    } catch (error) {
      if (isFailure(error, 'exec-failed', 'invalid-argument')) {
        this.#journal.forget(exec.id)
        throw error
      }
      exec.end(lostState(exec.state, this.#deps.clock.wallMs(), 0))
      return undefined
    }
  }

  #make(
    state: ExecState,
    { isService, isNew }: { readonly isService: boolean; readonly isNew: boolean },
  ): ResidentExec {
    const { clock, folder, ringBytesMax } = this.#deps
    const ring = new OutputRing({
      clock,
      folder: join(folder, 'output', state.id),
      isNew,
      ...(ringBytesMax === undefined ? {} : { bytesMax: ringBytesMax }),
    })
    return new ResidentExec({ clock, ring, isService, onEnded: (exec) => this.#noteEnd(exec) }, state)
  }

  #noteEnd(exec: ResidentExec): void {
    this.#active.delete(exec)
    this.#ended.push(exec)
    this.#journal.note({ state: exec.state, isService: exec.isService, isReported: false })
    if (!exec.isService) {
      this.#quietSinceAt = this.#deps.clock.wallMs()
      this.#deps.onEnded(exec.state)
    }
    void this.#dropOld()
  }

  /** The oldest ends go first. */
  async #dropOld(): Promise<void> {
    const before = this.#deps.clock.wallMs() - KEPT_MS_MAX
    for (;;) {
      const [oldest] = this.#ended
      if (oldest === undefined) return
      if (this.#ended.length <= KEPT_MAX && (oldest.state.endedAt ?? 0) >= before) return
      this.#ended.shift()
      await this.forget(oldest.id).catch(() => {}) // forgotten by somebody else meanwhile
    }
  }
}

function startState(id: string, startedAt: number): ExecState {
  const ends = { reason: null, exitCode: null, signal: null, endedAt: null } as const
  // Parsed where it came in: here it is the id of a journal row and the name of a folder.
  return { id: id as ExecState['id'], status: 'running', ...ends, startedAt, lastSequence: 0 }
}

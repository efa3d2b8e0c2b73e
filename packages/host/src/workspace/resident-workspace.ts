import { Failure, failureToWire, isFailure } from '@holdfast/base/failure'
import type { PinSettled } from '@holdfast/generations/directory/watch-rounds'
import type { CloseOutcome, WorkspaceFacts } from '@holdfast/protocol/host-calls'
import { GenerationId } from '@holdfast/protocol/identifiers'
import type { ServiceSpec, ServiceState } from '@holdfast/protocol/service'
import type { Sandbox } from '@holdfast/sandbox/runtime'
import type { ExecRegistry } from '../exec/exec-registry.ts'
import type { CaptureFacts, Durable, TakenLocally } from './capture-loop.ts'
import { type CloseRequest, type CloseTiming, closeLive, endLive } from './close-live.ts'
import { answerGuest } from './guest-calls.ts'
import { type HandedOff, type HandOffRequest, handOffLive } from './hand-off-live.ts'
import type { ResidentLease } from './leases.ts'
import type { LiveDeps, LiveWorkspace } from './live-workspace.ts'
import { generationOf, type OpenDeps, type OpenRequest, openLive } from './open-live.ts'
import { rollBackLive } from './roll-back-live.ts'
import { Serial } from './serial.ts'

export interface ResidentDeps extends CloseTiming, Omit<OpenDeps, 'live' | 'onLease'> {
  readonly live: Omit<LiveDeps, 'registry' | `on${string}`>
  /** Told what happened to it. */
  readonly tell: (workspace: string, type: string, payload: Readonly<Record<string, unknown>>) => void
  readonly registry: ExecRegistry
  /** A failure that only a fresh process gets over. */
  readonly onFatal: (failure: Failure) => void
}

type State = WorkspaceFacts['state']
/** What is known of the captures before the first. */
const NOTHING_KNOWN: CaptureFacts = {
  head: null,
  sequence: 0,
  lastDurableAt: null,
  syncLagMs: 0,
  rpoMs: 0,
  frozenMsP95: 0,
}

/**
 * One workspace that is to run here. What changes it happens one after another; who asks for what is under way joins it.
 *
 *     opening ─► running ─► closing ─► gone from here
 *        │          │ ▲        │
 *        │          │ └────────┘ nothing could be saved, and the sandbox lives
 *        ▼          ├─► sandbox-gone   it ended by itself: what is on disk is committed, the lease given back
 *      failed ◄─────┘   the lease was lost, or captures cannot go on: nothing runs, nothing is committed
 */
export class ResidentWorkspace implements AsyncDisposable {
  readonly #deps: ResidentDeps
  readonly #serial = new Serial()
  #request: OpenRequest
  #state: State = 'opening'
  #live: LiveWorkspace | undefined
  #lease: ResidentLease | undefined
  #epoch = 0
  #failure: Failure | null = null
  #outcome: CloseOutcome | undefined
  #known = NOTHING_KNOWN
  #opened: Promise<void> | undefined
  #served = 0
  #servedAt: number | null = null

  constructor(deps: ResidentDeps, request: OpenRequest) {
    this.#deps = deps
    this.#request = request
  }

  get name(): { readonly workspace: string; readonly org: string } {
    const { workspace, org } = this.#request
    return { workspace, org }
  }

  get registry(): ExecRegistry {
    return this.#deps.registry
  }

  get state(): State {
    return this.#state
  }

  /** Of its run, also once that is over and its lease given back; 0 before it has begun. */
  get epoch(): number {
    return this.#epoch
  }

  /** Resolves once commands can run. Rejects as `openLive` does; then nothing runs. */
  open(): Promise<void> {
    this.#opened ??= this.#serial.run(() => this.#open())
    return this.#opened
  }

  /** Resolves when a close that is under way has ended, or the last commit of a sandbox that is gone. */
  async settled(): Promise<void> {
    if (this.#state === 'closing' || this.#state === 'sandbox-gone') await this.#serial.run(async () => {})
  }

  /** The sandbox, for commands and connections. Rejects with `invalid-state` while none runs. */
  expectSandbox(): Sandbox {
    const sandbox = this.#live?.sandbox
    if (this.#state === 'running' && sandbox) return sandbox
    throw new Failure('invalid-state', `the workspace is ${this.#state} on its host`, { state: this.#state })
  }

  /** The sandbox if commands can run, for a command that may be known already. */
  get sandbox(): Sandbox | undefined {
    return this.#state === 'running' ? this.#live?.sandbox : undefined
  }

  /** Counts something that is served, until the end of the scope: the workspace is not quiet meanwhile. */
  serving(): Disposable {
    this.#served++
    return {
      [Symbol.dispose]: () => {
        this.#served--
        this.#servedAt = this.#deps.live.clock.wallMs()
      },
    }
  }

  sync(): Promise<Durable> {
    return this.#expectLive().captures.sync()
  }

  checkpoint(message: string, until: 'local' | 'durable'): Promise<Durable | TakenLocally> {
    const { captures } = this.#expectLive()
    return until === 'local' ? captures.checkpointLocally(message) : captures.checkpoint(message)
  }

  async setServices(services: readonly ServiceSpec[]): Promise<ServiceState[]> {
    return await this.#serial.run(async () => {
      const live = this.#expectLive()
      await live.services.set(services)
      this.#request = { ...this.#request, services: [...services] }
      return live.services.states
    })
  }

  get serviceStates(): ServiceState[] {
    return this.#live?.sandbox ? this.#live.services.states : []
  }

  close(request: Omit<CloseRequest, 'workspace'>): Promise<CloseOutcome> {
    return this.#serial.run(() => this.#close(request))
  }

  /** Rejects with `not-found` for what is no generation of it, and as commits and restores do. */
  rollBack(generation: string): Promise<void> {
    return this.#serial.run(async () => {
      const live = this.#expectLive()
      const row = await generationOf(live.files, generation)
      const { services } = this.#request
      try {
        await rollBackLive(live, { generation: row, services, finalMs: this.#deps.finalMs })
      } finally {
        if (live.sandbox === undefined)
          await this.#fail(new Failure('sandbox-failed', 'no fresh sandbox started'))
      }
    })
  }

  handOff(request: Pick<HandOffRequest, 'target' | 'drainMs'>): Promise<HandedOff> {
    return this.#serial.run(async () => {
      const live = this.#expectLive()
      const { clock } = this.#deps.live
      const { finalMs } = this.#deps
      try {
        return await handOffLive(live, { ...request, clock, finalMs, opened: this.#request })
      } finally {
        if (live.hasEnded) {
          this.#state = 'closing' // whoever hears of it meanwhile has nothing to mend
          await this.#leave(live)
          await live.lease.release(null).catch(() => {}) // it is gone already, unless no fresh sandbox started
          this.#state = 'failed'
        }
      }
    })
  }

  get facts(): WorkspaceFacts {
    if (this.#live?.sandbox) this.#known = this.#live.captures.facts
    return {
      ...this.#known,
      head: GenerationId.nullable().parse(this.#known.head),
      workspace: this.#request.workspace,
      epoch: this.epoch,
      state: this.#state,
      sandbox: this.#live?.sandboxFacts ?? null,
      pressure: this.#live?.pressure ?? 'none',
      quietSinceAt: this.#quietSinceAt(),
      failure: this.#failure && failureToWire(this.#failure),
    }
  }

  /** Ends it as a crash would, without a commit: what is not durable is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#live?.killSandbox()
    await this.#serial.run(async () => {
      if (this.#state === 'running') await this.#fail(new Failure('invalid-state', 'the host has ended'))
    })
  }

  async #open(): Promise<void> {
    const { registry, onFatal: _fatal, tell, ...deps } = this.#deps
    const { workspace } = this.#request
    const live: LiveDeps = {
      ...deps.live,
      registry,
      onBroken: (failure) => void this.#serial.run(() => this.#break(failure)),
      onGuestCall: (call) => answerGuest(this, call),
      onCommitted: ({ id, sequence, cause, message, files, bytes }) =>
        tell(workspace, 'generation_committed', { generation: id, sequence, cause, message, files, bytes }),
      onPinned: (message, settled) => {
        const [type, payload] = pinnedEvent(message, settled)
        tell(workspace, type, payload)
      },
      onService: ({ name, status, exec, restarts }) =>
        tell(workspace, 'service_status', { service: name, status, exec, restarts }),
      onMovedAside: ({ path, movedTo }) => tell(workspace, 'moved_aside', { path, moved_to: movedTo }),
    }
    try {
      this.#live = await openLive({ ...deps, live, onLease: (lease) => this.#attend(lease) }, this.#request)
      if (this.#failure) throw this.#failure
      this.#state = 'running'
    } catch (error) {
      const failure = isFailure(error) ? error : new Failure('internal', String(error), {}, error)
      await this.#fail(failure)
      throw failure
    }
  }

  /** The right to run can end at any moment: then nothing waits its turn. */
  #attend(lease: ResidentLease): void {
    this.#lease = lease
    this.#epoch = lease.held.epoch
    void lease.lost.then(async (failure) => {
      if (this.#lease !== lease) return
      this.#failure = failure
      await this.#live?.killSandbox()
      await this.#serial.run(() => this.#break(failure))
    })
  }

  async #close(request: Omit<CloseRequest, 'workspace'>): Promise<CloseOutcome> {
    const live = this.#live
    if (live === undefined) return this.#outcome ?? this.#notSaved()
    this.#state = 'closing'
    const { graceMs, finalMs } = this.#deps
    const { services } = this.#request
    const outcome = await closeLive(live, request, { graceMs, finalMs, services })
    if (outcome.kind === 'not-saved' && outcome.sandbox === 'alive') {
      this.#state = 'running'
      return outcome
    }
    this.#known = { ...this.#known, ...(outcome.kind === 'saved' ? { head: outcome.generation.id } : {}) }
    this.#live = undefined
    this.#lease = undefined
    this.#outcome = outcome
    return outcome
  }

  #notSaved(): CloseOutcome {
    const failure = this.#failure ?? new Failure('sandbox-gone', 'nothing runs here')
    return { kind: 'not-saved', sandbox: 'gone', failure: failureToWire(failure) }
  }

  /** Captures, the sandbox or the lease have ended by themselves. */
  async #break(failure: Failure): Promise<void> {
    const live = this.#live
    if (live === undefined || this.#state === 'closing') return
    if (failure.code === 'helper-failed') return this.#deps.onFatal(failure)
    if (failure.code !== 'sandbox-gone') return await this.#fail(failure)
    this.#failure = failure
    this.#state = 'sandbox-gone'
    const unsaved = await live.captures.finish({ cause: 'stop', withinMs: this.#deps.finalMs })
    this.#known = live.captures.facts
    this.#live = undefined
    this.#lease = undefined
    this.#outcome = await endLive(live, unsaved)
  }

  /** Nothing runs any more, and nothing is committed. */
  async #fail(failure: Failure): Promise<void> {
    const live = this.#live
    this.#failure = failure
    this.#state = 'failed'
    if (live === undefined) return
    await this.#leave(live)
    if (failure.kind !== 'fenced') await live.lease.release(null).catch(() => {}) // it runs out by itself
  }

  async #leave(live: LiveWorkspace): Promise<void> {
    const facts = live.sandbox ? live.captures.facts : this.#known
    const isDone = live.sandbox !== undefined && this.#failure === null
    await live.killSandbox()
    if (isDone && facts.head !== null) live.files.markClean(facts.head)
    this.#known = facts
    this.#live = undefined
    this.#lease = undefined
    this.#failure ??= new Failure('lease-lost', 'another host runs the workspace now')
    await live[Symbol.asyncDispose]()
  }

  #expectLive(): LiveWorkspace {
    if (this.#live && this.#state === 'running') return this.#live
    throw new Failure('invalid-state', `the workspace is ${this.#state} on its host`, { state: this.#state })
  }

  #quietSinceAt(): number | null {
    const commands = this.registry.quietSinceAt
    if (commands === null || this.#served > 0) return null
    return Math.max(commands, this.#servedAt ?? 0)
  }
}

/** What is told of a checkpoint that was answered for before it was durable. */
function pinnedEvent(message: string, settled: PinSettled): [string, Readonly<Record<string, unknown>>] {
  if ('failure' in settled) {
    const { code, message: reason } = settled.failure
    return ['checkpoint_failed', { message, code, reason }]
  }
  const { outcome } = settled
  const { id, sequence, cause } = outcome.kind === 'committed' ? outcome.generation : outcome.head
  return ['checkpoint_created', { generation: id, sequence, cause, message }]
}

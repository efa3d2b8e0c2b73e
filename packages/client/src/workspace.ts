import type {
  CreateWorkspace,
  Drill,
  ForkResults,
  ForkWorkspace,
  HandOffWorkspace,
  HandoffResult,
  Lineage,
  StopWorkspace,
  UpdateWorkspace,
  Workspace as WireWorkspace,
} from '@holdfast/protocol/rest/workspace'
import { type Api, type Asked, type CallOptions, pathOf, type Shown } from './api.ts'
import { type ActivityEvent, eventsOfTopics, type FollowedEvent, pastEvents } from './events.ts'
import type { ExecResult } from './exec-result.ts'
import { type CommandLine, type ExecOptions, Execs, type StartOptions } from './execs.ts'
import { Files } from './files.ts'
import { Checkpoints, type DurableGeneration, Generations } from './history.ts'
import { HoldfastError, isFailureCode } from './holdfast-error.ts'
import type { RunningExec } from './running-exec.ts'
import { type Access, type Deployment, type DeployOptions, Exposures, Services } from './serving.ts'
import type { SocketBytes } from './socket-bytes.ts'

/** A workspace as the API shows it. */
export type WorkspaceState = Shown<{ readonly _zod: { readonly output: WireWorkspace } }>
export type CreateOptions = Asked<typeof CreateWorkspace>
export type UpdateOptions = Asked<typeof UpdateWorkspace>
export type ForkOptions = Asked<typeof ForkWorkspace>

/** One fork that was asked for: what came of it. */
export type ForkOutcome =
  | { readonly workspace: Workspace; readonly tookMs: number }
  | { readonly failure: { readonly code: string; readonly message: string } }

/** One request waits so long; then it is asked again. */
const WAIT = '30s'
const POLL_MS = 250

/**
 * A workspace. It lives on the server: it is not removed, and not even stopped, when this object goes out of scope or is
 * disposed of.
 */
export class Workspace implements AsyncDisposable {
  readonly #api: Api
  #state: WorkspaceState
  readonly execs: Execs
  readonly files: Files
  readonly generations: Generations
  readonly checkpoints: Checkpoints
  readonly exposures: Exposures
  readonly services: Services

  constructor(api: Api, state: WorkspaceState) {
    this.#api = api
    this.#state = state
    this.execs = new Execs(api, state.id)
    this.files = new Files(api, state.id)
    this.generations = new Generations(api, state.id)
    this.checkpoints = new Checkpoints(api, state.id, (request) => this.#ofRun(request))
    this.exposures = new Exposures(api, state.id)
    this.services = new Services(api, state.id)
  }

  get id(): string {
    return this.#state.id
  }

  get name(): string | null {
    return this.#state.name
  }

  get status(): WorkspaceState['status'] {
    return this.#state.status
  }

  /** All that was last heard of it. */
  get state(): WorkspaceState {
    return this.#state
  }

  async refresh(options: CallOptions = {}): Promise<this> {
    this.#state = await this.#api.json({ method: 'GET', path: this.#path(), ...options })
    return this
  }

  /** Resolves when commands can run. Rejects with the reason if the workspace has failed or was stopped. */
  async ready(options: CallOptions = {}): Promise<this> {
    await this.#settled('provisioning', options)
    if (this.status === 'idle' || this.status === 'busy') return this
    const { statusReason, statusMessage } = this.#state
    const reason = statusReason?.replaceAll('_', '-') ?? ''
    throw new HoldfastError({
      code: isFailureCode(reason) ? reason : 'invalid-state',
      message: `workspace ${this.name ?? this.id} is ${this.status}: ${statusMessage ?? statusReason ?? 'it was stopped'}`,
    })
  }

  /** Runs a command to its end; with `detached` it is only started. A string is a line for `sh -c`. */
  exec(command: CommandLine, options: StartOptions & { readonly detached: true }): Promise<RunningExec>
  exec(command: CommandLine, options?: ExecOptions): Promise<ExecResult>
  async exec(
    command: CommandLine,
    options: ExecOptions | (StartOptions & { readonly detached: true }) = {},
  ): Promise<RunningExec | ExecResult> {
    if (!options.detached) return await this.execs.run(command, options)
    const { detached: _yes, ...start } = options
    return await this.execs.start(command, start)
  }

  /** Starts an interactive shell; `attach()` of what is returned connects to it. */
  async shell(
    options: Omit<StartOptions, 'terminal'> & Partial<Pick<StartOptions, 'terminal'>> = {},
  ): Promise<RunningExec> {
    const { terminal = { columns: 80, rows: 24 }, ...start } = options
    return await this.execs.start(SHELL, { stdin: true, ...start, terminal })
  }

  /**
   * When it resolves, all is durable that was there since this object has last heard of the workspace. Rejects with
   * `lease-lost` if the workspace was recovered meanwhile, and lost what was not durable; the next one is then of what
   * was recovered.
   */
  async sync(options: CallOptions = {}): Promise<DurableGeneration> {
    return await this.#ofRun((epoch) => this.#post('sync', { epoch }, options))
  }

  /** Saves the state and ends the sandbox. */
  async stop(options: CallOptions & Asked<typeof StopWorkspace> = {}): Promise<this> {
    const { signal, ...body } = options
    await this.#act('stop', body, signal)
    await this.#settled('stopping', { signal })
    if (this.status === 'stopped' || this.status === 'failed') return this
    throw new HoldfastError({
      code: 'invalid-state',
      message: `workspace ${this.name ?? this.id} was not stopped: ${this.#state.statusMessage ?? 'its state could not be saved'}`,
    })
  }

  async resume(options: CallOptions = {}): Promise<this> {
    await this.#act('resume', {}, options.signal)
    return await this.ready(options)
  }

  /** Saves the state, and goes on from it in a new sandbox. */
  async restart(options: CallOptions = {}): Promise<this> {
    await this.#act('restart', {}, options.signal)
    return await this.ready(options)
  }

  /** Goes on from an older generation, as a new one: no history is lost. */
  async rollback(generation: string, options: CallOptions = {}): Promise<this> {
    await this.#act('rollback', { generation }, options.signal)
    await this.#settled('provisioning', options)
    return this
  }

  /** One fork, ready to run. */
  async fork(options: CallOptions & Omit<ForkOptions, 'count'> = {}): Promise<Workspace> {
    const { signal, ...asked } = options
    const [outcome] = await this.forkMany({ ...asked, count: 1 }, { signal })
    if (outcome !== undefined && 'workspace' in outcome) return await outcome.workspace.ready({ signal })
    const { code = 'internal', message = 'the server answered nothing' } = outcome?.failure ?? {}
    throw new HoldfastError({ code: code.replaceAll('_', '-'), message })
  }

  /** Several forks at once, each with its own outcome. */
  async forkMany(asked: ForkOptions, options: CallOptions = {}): Promise<readonly ForkOutcome[]> {
    const { items } = await this.#post<Shown<typeof ForkResults>>('fork', asked, options, WAIT)
    return items.map((item) =>
      'failure' in item ? item : { workspace: new Workspace(this.#api, item.workspace), tookMs: item.tookMs },
    )
  }

  /** Moves it to another host, with nothing lost. */
  async handoff(
    options: CallOptions & Asked<typeof HandOffWorkspace> = {},
  ): Promise<Shown<typeof HandoffResult>> {
    const { signal, ...body } = options
    const result = await this.#post<Shown<typeof HandoffResult>>('handoff', body, { signal })
    this.#state = result.workspace
    return result
  }

  /** Restores the head elsewhere and compares it. */
  async drill(options: CallOptions = {}): Promise<Shown<typeof Drill>> {
    return await this.#post('drill', {}, options)
  }

  async update(changes: UpdateOptions, options: CallOptions = {}): Promise<this> {
    this.#state = await this.#api.json({
      method: 'PATCH',
      path: this.#path(),
      body: changes,
      ...options,
    })
    return this
  }

  async archive(options: CallOptions = {}): Promise<this> {
    await this.#act('archive', {}, options.signal)
    return this
  }

  async unarchive(options: CallOptions = {}): Promise<this> {
    await this.#act('unarchive', {}, options.signal)
    return this
  }

  /** Removes it with its history. `force` does so with one that runs, too. */
  async remove(options: CallOptions & { readonly force?: boolean } = {}): Promise<void> {
    const { force, signal } = options
    await this.#api.finish({ method: 'DELETE', path: this.#path(), query: { force }, signal })
  }

  async lineage(options: CallOptions = {}): Promise<Shown<typeof Lineage>> {
    return await this.#api.json({ method: 'GET', path: this.#path('lineage'), ...options })
  }

  /** The address of a port, which is given one if it has none. */
  async url(port: number, options: CallOptions & { readonly access?: Access } = {}): Promise<string> {
    const { signal, access } = options
    const open = (await this.exposures.list({ signal })).find((each) => each.port === port)
    const fits = open !== undefined && (access === undefined || open.access === access)
    return (fits ? open : await this.exposures.open(port, options)).url
  }

  /** One connection to a port inside, whatever is spoken on it. */
  connectPort(port: number): SocketBytes {
    return this.#api.socket(this.#path('ports', String(port)), {})
  }

  /** A service, a checkpoint, an URL, and waking on request, in one call. */
  async deploy(asked: DeployOptions, options: CallOptions = {}): Promise<Deployment> {
    return await this.#post('deploy', asked, options)
  }

  /** What happens in it, from now on or from behind `after`. */
  events(options: CallOptions & { readonly after?: number } = {}): AsyncGenerator<FollowedEvent, void> {
    return eventsOfTopics(this.#api, { ...options, topics: [`workspace:${this.id}`] })
  }

  /** What has happened in it. */
  activity(options: CallOptions = {}): AsyncGenerator<ActivityEvent, void> {
    return pastEvents(this.#api, this.#path('activity'), options)
  }

  /** The workspace lives on. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /** A request that is about what was seen here. */
  async #ofRun<Answer>(request: (epoch: number) => Promise<Answer>): Promise<Answer> {
    try {
      return await request(this.#state.epoch)
    } catch (error) {
      if (error instanceof HoldfastError && error.code === 'lease-lost') await this.refresh()
      throw error
    }
  }

  async #act(action: string, body: unknown, signal: AbortSignal | undefined): Promise<void> {
    this.#state = await this.#post<WorkspaceState>(action, body, { signal }, WAIT)
  }

  async #post<Answer>(action: string, body: unknown, options: CallOptions, wait?: string): Promise<Answer> {
    const path = this.#path(action)
    return await this.#api.json<Answer>({ method: 'POST', path, query: { wait }, body, ...options })
  }

  /** Waits until it has left a status of passage. */
  async #settled(status: WorkspaceState['status'], options: CallOptions): Promise<void> {
    while (this.status === status) {
      await this.#api.ground.sleep(POLL_MS, options.signal)
      await this.refresh(options)
    }
  }

  #path(...more: readonly string[]): string {
    return pathOf('workspaces', this.id, ...more)
  }
}

/** The best shell that the system has. */
const SHELL = 'if command -v bash >/dev/null; then exec bash -l; else exec sh -l; fi'

import { Failure } from '@holdfast/base/failure'
import type { CloseOutcome } from '@holdfast/protocol/host-calls'
import { WorkspaceId } from '@holdfast/protocol/identifiers'
import { SANDBOX_SPEC_DEFAULT, type SandboxContent } from '@holdfast/protocol/sandbox-spec'
import { ExecRegistry, type ExecRegistryDeps } from '../exec/exec-registry.ts'
import type { CloseRequest } from '../workspace/close-live.ts'
import { bringContent, pinContent } from '../workspace/local-content.ts'
import type { OpenRequest } from '../workspace/open-live.ts'
import type { HostVolumes, WorkspaceName } from '../workspace/resident-files.ts'
import { type ResidentDeps, ResidentWorkspace } from '../workspace/resident-workspace.ts'
import { Serial } from '../workspace/serial.ts'

export interface ResidentsDeps extends Omit<ResidentDeps, 'registry' | 'volumes'> {
  readonly volumes: HostVolumes
  readonly execs: Omit<ExecRegistryDeps, 'folder' | 'onEnded'>
  /** A workspace has stopped, and the head is all of it. */
  readonly onStopped: (workspace: WorkspaceName) => void
  /** A command of a client has ended. */
  readonly onExecEnded: (
    workspace: string,
    epoch: number,
    state: Parameters<ExecRegistryDeps['onEnded']>[0],
  ) => void
}

/** The workspaces of one host: those that run, and what is left here of others. */
export class ResidentWorkspaces implements AsyncDisposable {
  readonly #deps: ResidentsDeps
  readonly #open = new Map<string, ResidentWorkspace>()
  readonly #registries = new Map<string, ExecRegistry>()
  /** How those that are gone ended: who got no answer asks again. */
  readonly #closed = new Map<string, CloseOutcome>()
  readonly #turns = new Map<string, Serial>()
  #isDraining = false

  /** Finds the commands of earlier processes: what ran is lost. */
  constructor(deps: ResidentsDeps) {
    this.#deps = deps
    for (const workspace of deps.volumes.workspaces) this.registry(workspace)
  }

  all(): readonly ResidentWorkspace[] {
    return [...this.#open.values()]
  }

  find(workspace: string): ResidentWorkspace | undefined {
    return this.#open.get(workspace)
  }

  /** Rejects with `not-found`. */
  get(workspace: string): ResidentWorkspace {
    const resident = this.#open.get(workspace)
    if (resident) return resident
    throw new Failure('not-found', `${workspace} is not open on this host`, { workspace })
  }

  /** Rejects with `not-found`, and with `outcome-unknown` once another run than that of the epoch is here. */
  ofRun({ workspace, epoch }: { readonly workspace: string; readonly epoch: number }): ResidentWorkspace {
    const resident = this.get(workspace)
    if (resident.epoch === epoch) return resident
    throw new Failure(
      'outcome-unknown',
      `${workspace} runs in epoch ${resident.epoch} here, not in ${epoch}`,
      {
        workspace,
        epoch: resident.epoch,
      },
    )
  }

  /** The commands of a workspace, open or not. */
  registry(workspace: string): ExecRegistry {
    const known = this.#registries.get(workspace)
    if (known) return known
    const { execs, volumes, onExecEnded } = this.#deps
    const registry = new ExecRegistry({
      ...execs,
      folder: volumes.execs(workspace),
      onEnded: (state) => onExecEnded(workspace, this.#open.get(workspace)?.epoch ?? 0, state),
    })
    this.#registries.set(workspace, registry)
    return registry
  }

  /** Joins what is under way. Rejects as `ResidentWorkspace.open` does; then it is not open here. */
  async open(request: OpenRequest): Promise<ResidentWorkspace> {
    const { workspace } = request
    await this.#open.get(workspace)?.settled()
    const known = this.#open.get(workspace)
    if (known?.state === 'opening' || known?.state === 'running') {
      await known.open()
      return known
    }
    if (this.#isDraining) throw new Failure('no-host', 'this host takes no new workspace')
    const resident = new ResidentWorkspace({ ...this.#deps, registry: this.registry(workspace) }, request)
    this.#open.set(workspace, resident)
    this.#closed.delete(workspace)
    try {
      await this.#turn(workspace).run(() => resident.open())
      return resident
    } catch (error) {
      if (this.#open.get(workspace) === resident) this.#open.delete(workspace)
      throw error
    }
  }

  async close(request: CloseRequest): Promise<CloseOutcome> {
    const { workspace } = request
    const closed = this.#closed.get(workspace)
    if (closed && !this.#open.has(workspace)) return closed
    const resident = this.get(workspace)
    const outcome = await resident.close(request)
    if (outcome.kind === 'saved' || outcome.sandbox === 'gone') this.leave(workspace, outcome)
    if (outcome.kind === 'saved' && request.cause === 'stop') this.#deps.onStopped(resident.name)
    return outcome
  }

  /** It does not run here any more. */
  leave(workspace: string, outcome?: CloseOutcome): void {
    this.#open.delete(workspace)
    if (outcome) this.#closed.set(workspace, outcome)
  }

  /** Rejects with `invalid-state` while it is open here. */
  async forget(workspace: string): Promise<void> {
    await this.#turn(workspace).run(async () => {
      const state = this.#open.get(workspace)?.state
      if (state !== undefined && state !== 'failed' && state !== 'sandbox-gone')
        throw new Failure('invalid-state', `${workspace} is ${state} here`, { workspace, state })
      this.#open.delete(workspace)
      this.#closed.delete(workspace)
      await this.#registries.get(workspace)?.[Symbol.asyncDispose]()
      this.#registries.delete(workspace)
      await this.#deps.volumes.forget(workspace)
    })
    this.#turns.delete(workspace)
  }

  /** As `pinContent` of the host's calls. */
  pin(content: SandboxContent): Promise<SandboxContent> {
    return pinContent(this.#deps.images, content)
  }

  /** Brings a generation, and what it is to run with, here while another host runs the workspace. */
  async prepare(
    name: WorkspaceName,
    { generation, content }: { readonly generation: string; readonly content: SandboxContent },
  ): Promise<void> {
    await bringContent(this.#deps.images, { ...SANDBOX_SPEC_DEFAULT, ...content })
    await this.#turn(name.workspace).run(async () => {
      if (this.#open.has(name.workspace))
        throw new Failure('invalid-state', `${name.workspace} is open here`, { workspace: name.workspace })
      await using files = await this.#deps.volumes.open(name)
      await files.bring(await files.index.generation(generation))
    })
  }

  noteReported(workspace: string, exec: string): void {
    this.#registries.get(workspace)?.noteReported(exec)
  }

  /** Saves and ends all that runs here; what could not be saved runs on. */
  async closeAll(drainMs: number): Promise<void> {
    this.drain()
    const workspaces = [...this.#open.keys()].map((id) => WorkspaceId.parse(id))
    const request = { cause: 'termination', drainMs, force: false } as const
    await Promise.allSettled(workspaces.map((workspace) => this.close({ workspace, ...request })))
  }

  drain(): void {
    this.#isDraining = true
  }

  /** Nothing runs when it resolves, and nothing more was committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all().map((resident) => resident[Symbol.asyncDispose]()))
    await Promise.all(Array.from(this.#registries.values(), (registry) => registry[Symbol.asyncDispose]()))
  }

  /** What touches the files of a workspace takes turns. */
  #turn(workspace: string): Serial {
    const turn = this.#turns.get(workspace) ?? new Serial()
    this.#turns.set(workspace, turn)
    return turn
  }
}

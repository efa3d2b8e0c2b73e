import { createHash } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import { FILE_CALLS } from '@holdfast/protocol/files'
import { HOST_CALLS, type WorkspaceFacts } from '@holdfast/protocol/host-calls'
import { HostId, type WorkspaceId } from '@holdfast/protocol/identifiers'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { RpcServer } from '@holdfast/rpc/rpc-server'
import { DoubleExecs } from './host-double-execs.ts'
import { fileHandlers } from './host-double-files.ts'
import type { DoubleWorkspace, HostDoubleGround, HostDoubleOptions } from './host-double-ground.ts'
import { hostHandlers } from './host-double-handlers.ts'
import { hostRoutes } from './host-double-routes.ts'

/**
 * A host that speaks all of its calls over real sockets, and runs commands as plain processes in plain directories:
 * for tests of what control asks of hosts. It captures nothing: generations are entries of the histories' double.
 */
export class HostDouble implements HostDoubleGround, AsyncDisposable {
  readonly id: HostId
  readonly options: HostDoubleOptions
  readonly workspaces = new Map<WorkspaceId, DoubleWorkspace>()
  readonly #server: RpcServer
  readonly #control: RpcClient<typeof CONTROL_CALLS>
  /** Calls in their order. */
  readonly calls: string[] = []
  /** Runs before a call is answered: throws what the call is to fail with, or waits. */
  before: (call: string, request: unknown) => Promise<void> | void = () => undefined
  /** Told where a workspace was handed to: the other double takes it up. */
  onHandOff: (target: HostId, facts: WorkspaceFacts) => void = () => undefined
  /** Counted up, every tag means something else. */
  tagMoves = 0
  /** What the next closing comes to, in place of a saved generation. */
  closeOutcome: HostDoubleGround['closeOutcome']

  private constructor(options: HostDoubleOptions, server: RpcServer) {
    this.id = HostId.parse(options.id)
    this.options = options
    this.#server = server
    const { controlAddress: address, clusterKey } = options
    this.#control = new RpcClient(CONTROL_CALLS, { address, clusterKey, unreachable: 'overloaded' })
  }

  static async start(options: HostDoubleOptions): Promise<HostDouble> {
    const { address = 'http://127.0.0.1:0', clusterKey } = options
    const double = new HostDouble(options, await RpcServer.listen({ address, clusterKey }))
    double.#server.serve(HOST_CALLS, watched(double, hostHandlers(double)))
    double.#server.serve(FILE_CALLS, watched(double, fileHandlers(double)))
    double.#server.route(hostRoutes(double))
    await double.register()
    return double
  }

  get address(): string {
    return this.#server.address
  }

  async register(): Promise<void> {
    await this.#control.call('registerHost', {
      ...{
        host: this.id,
        name: `double-${this.id}`,
        address: this.address,
        bootId: 'boot',
        version: '0.1.0',
      },
      runtimes: [{ kind: 'runc', isolation: 'shared-kernel' }],
      volume: 'live',
      capacity: CAPACITY,
    })
  }

  /** One heartbeat; what is not wanted is dropped, leases are renewed. */
  async beat(): Promise<void> {
    const { histories } = this.options
    for (const workspace of this.workspaces.keys()) histories.renew(workspace, this.id)
    const facts = [...this.workspaces.values()].map((workspace) => this.factsOf(workspace))
    const { unwanted } = await this.#control.call('reportHost', {
      host: this.id,
      capacity: CAPACITY,
      workspaces: facts,
    })
    for (const id of unwanted) this.drop(id)
  }

  async tellExecs(): Promise<void> {
    const execs = [...this.workspaces.values()].flatMap(({ execs, facts: { workspace, epoch } }) =>
      execs.states().map((exec) => ({ workspace, epoch, exec })),
    )
    await this.#control.call('reportExecs', { host: this.id, execs })
  }

  control(): RpcClient<typeof CONTROL_CALLS> {
    return this.#control
  }

  find(id: WorkspaceId): DoubleWorkspace {
    const found = this.workspaces.get(id)
    if (found === undefined) throw new Failure('not-found', `${id} is not open here`)
    return found
  }

  factsOf(workspace: DoubleWorkspace): WorkspaceFacts {
    return {
      ...workspace.facts,
      quietSinceAt: workspace.execs.isQuiet() ? workspace.facts.quietSinceAt : null,
    }
  }

  digestOf(reference: string): string {
    return `sha256:${createHash('sha256').update(`${reference} ${this.tagMoves}`).digest('hex')}`
  }

  open(id: WorkspaceId, facts: WorkspaceFacts): DoubleWorkspace {
    const directory = join(this.options.directory, id)
    mkdirSync(directory, { recursive: true })
    const opened = { facts, directory, execs: new DoubleExecs(directory, this.options.nowMs) }
    this.workspaces.set(id, opened)
    return opened
  }

  /** Everything of it ends at once, as when a sandbox dies. */
  drop(id: WorkspaceId): void {
    this.workspaces.get(id)?.execs.kill()
    this.workspaces.delete(id)
  }

  /** As a machine that is gone: nobody hears from it how its commands ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#control[Symbol.asyncDispose]()
    await this.#server[Symbol.asyncDispose]()
    for (const id of [...this.workspaces.keys()]) this.drop(id)
    rmSync(this.options.directory, { recursive: true, force: true })
  }
}

const CAPACITY = { cpus: 2, memoryBytes: 2 ** 32, diskFreeBytes: 2 ** 36, workspacesMax: 1000 }

type Handlers = Readonly<Record<string, (request: never, signal: AbortSignal) => Promise<unknown>>>

/** The same handlers, with every call noted, and `before` asked. */
function watched<H extends Handlers>(double: HostDouble, handlers: H): H {
  const entries = Object.entries(handlers).map(([name, handle]) => [
    name,
    async (request: never, signal: AbortSignal) => {
      double.calls.push(name)
      await double.before(name, request)
      return await handle(request, signal)
    },
  ])
  return Object.fromEntries(entries) as H
}

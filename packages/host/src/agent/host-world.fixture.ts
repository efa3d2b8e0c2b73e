import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { newIdentifier } from '@holdfast/base/identifier'
import { systemRandomness } from '@holdfast/base/randomness'
import { BROWSE_CALLS } from '@holdfast/protocol/browse-calls'
import { CONTROL_CALLS, type ReportedEvent } from '@holdfast/protocol/control-calls'
import { ExecRequest, type ExecState } from '@holdfast/protocol/exec'
import { FILE_CALLS } from '@holdfast/protocol/files'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { ExecId, HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { RpcRequest } from '@holdfast/protocol/rpc-table'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { RpcServer } from '@holdfast/rpc/rpc-server'
import { startLeaseRoleIn } from '@holdfast/testkit/lease-role'
import { removeTree } from '@holdfast/testkit/remove-tree'
import { type AgentPlace, CLUSTER_KEY, makeRuntime, startAgentForTest } from './agent-for-test.fixture.ts'

type Reports = RpcRequest<typeof CONTROL_CALLS, 'reportExecs'>['execs']
type OpenOrder = RpcRequest<typeof HOST_CALLS, 'openWorkspace'>
/** What differs between the agents of a test. */
export type AgentWish = Partial<Omit<AgentPlace, 'base' | 'host'>>

/** A lease role, a store, and what control is told; agents and workspaces as a test makes them. */
export class HostWorld implements AsyncDisposable {
  readonly base: string
  readonly org = OrgId.parse(newIdentifier('org', systemRandomness))
  readonly workspace = WorkspaceId.parse(newIdentifier('ws', systemRandomness))
  readonly reports: Reports = []
  readonly events: ReportedEvent[] = []
  /** What control wants ended, told with the next heartbeat. */
  readonly unwanted: WorkspaceId[] = []
  /** A heartbeat is answered when this has resolved. */
  answering: () => Promise<void> = async () => {}
  readonly #stack = new AsyncDisposableStack()
  #execs = 0
  leases!: Awaited<ReturnType<typeof startLeaseRoleIn>>

  private constructor(folder: string) {
    this.base = mkdtempSync(join(folder, 'holdfast-host-'))
  }

  /** All that it keeps lies in a folder of its own in `folder`. */
  static async make(folder = tmpdir()): Promise<HostWorld> {
    const world = new HostWorld(folder)
    world.#stack.defer(() => removeTree(world.base))
    world.leases = world.#stack.use(await startLeaseRoleIn(world.base, CLUSTER_KEY))
    const control = await RpcServer.listen({
      address: `unix:${join(world.base, 'control.sock')}`,
      clusterKey: CLUSTER_KEY,
    })
    world.#stack.use(control).serve(CONTROL_CALLS, {
      registerHost: async () => ({ heartbeatMs: 500 }),
      reportHost: async () => {
        await world.answering()
        return { unwanted: world.unwanted.splice(0) }
      },
      reportEvents: async ({ events }) => {
        world.events.push(...events)
        return {}
      },
      reportExecs: async ({ execs }) => {
        world.reports.push(...execs)
        return {}
      },
      resolveExposure: async () => Promise.reject(new Error('nobody asks')),
    })
    await world.leases.index.createWorkspace({ id: world.workspace, org: world.org })
    return world
  }

  async agent(wish: AgentWish = {}): Promise<AgentForTest & { closeAll(): Promise<void> }> {
    const name = wish.name ?? 'host-a'
    const place = { volume: 'live', ...wish, name, base: this.base, host: hostOf(name) } as const
    const started = await startAgentForTest(place)
    const agent = new AgentForTest(this, name, async () => await started[Symbol.asyncDispose]())
    return this.#stack.use(Object.assign(agent, { closeAll: () => started.agent.closeAll(0) }))
  }

  /** An agent in a process of its own, to be killed. */
  async agentProcess(name: string): Promise<AgentForTest & { readonly child: ChildProcess }> {
    const script = fileURLToPath(new URL('./agent-main.fixture.ts', import.meta.url))
    const child = spawn(process.execPath, [script, this.base, name, hostOf(name)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => Promise.reject(new Error('it ended'))),
    ])
    const agent = this.#stack.use(
      new AgentForTest(this, name, async () => {
        await killed(child)
        await makeRuntime().killLeftovers(join(this.base, name, 'sandboxes'))
      }),
    )
    return Object.assign(agent, { child })
  }

  /** Another workspace, which begins with a generation, or without one. */
  async fork(generation?: string): Promise<WorkspaceId> {
    const id = WorkspaceId.parse(newIdentifier('ws', systemRandomness))
    const origin = generation === undefined ? {} : { forkedFrom: generation }
    await this.leases.index.createWorkspace({ id, org: this.org, ...origin })
    return id
  }

  /** Another workspace, without a generation. */
  async another(): Promise<WorkspaceId> {
    const id = WorkspaceId.parse(newIdentifier('ws', systemRandomness))
    await this.leases.index.createWorkspace({ id, org: this.org })
    return id
  }

  nextExec(): ExecId {
    return ExecId.parse(`x${++this.#execs}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]()
  }
}

/** One agent as its callers see it. */
export class AgentForTest implements AsyncDisposable {
  readonly address: string
  readonly host: RpcClient<typeof HOST_CALLS>
  readonly files: RpcClient<typeof FILE_CALLS>
  readonly browse: RpcClient<typeof BROWSE_CALLS>
  readonly #world: HostWorld
  readonly #end: () => Promise<void>
  #hasEnded = false

  constructor(world: HostWorld, name: string, end: () => Promise<void>) {
    this.address = `unix:${join(world.base, `${name}.sock`)}`
    const options = {
      address: this.address,
      clusterKey: CLUSTER_KEY,
      unreachable: 'host-unreachable',
    } as const
    this.host = new RpcClient(HOST_CALLS, options)
    this.files = new RpcClient(FILE_CALLS, options)
    this.browse = new RpcClient(BROWSE_CALLS, options)
    this.#world = world
    this.#end = end
  }

  order(changed: Partial<OpenOrder> = {}): OpenOrder {
    const { workspace, org } = this.#world
    const spec = {
      ...SANDBOX_SPEC_DEFAULT,
      limits: { ...SANDBOX_SPEC_DEFAULT.limits, memoryBytes: 256 << 20 },
    }
    return { workspace, org, spec, services: [], handedOver: null, rollBackTo: null, ...changed }
  }

  open(changed: Partial<OpenOrder> = {}) {
    return this.host.call('openWorkspace', this.order(changed))
  }

  close(changed: Partial<RpcRequest<typeof HOST_CALLS, 'closeWorkspace'>> = {}) {
    const { workspace } = this.#world
    return this.host.call('closeWorkspace', {
      workspace,
      cause: 'stop',
      drainMs: 0,
      force: false,
      ...changed,
    })
  }

  /** The run that is open here; 0 where none is. */
  async run(workspace = this.#world.workspace): Promise<{ workspace: WorkspaceId; epoch: number }> {
    const facts = this.host.call('workspaceFacts', { workspace })
    return { workspace, epoch: await facts.then(({ epoch }) => epoch).catch(() => 0) }
  }

  async sync(workspace = this.#world.workspace) {
    return await this.host.call('sync', await this.run(workspace))
  }

  facts() {
    return this.host.call('workspaceFacts', { workspace: this.#world.workspace })
  }

  /** Runs a shell script to its end; resolves with what it printed. */
  async shell(
    script: string,
    request: Partial<ExecRequest> = {},
  ): Promise<{ state: ExecState; text: string }> {
    const { exec, output } = await this.start(['sh', '-c', script], request, 30_000)
    const text = output.map(({ bytes }) => Buffer.from(bytes, 'base64').toString()).join('')
    return { state: exec, text }
  }

  async start(
    argv: readonly string[],
    request: Partial<ExecRequest> = {},
    waitMs = 0,
    id = this.#world.nextExec(),
  ) {
    const parsed = ExecRequest.parse({ argv, ...request })
    const order = { ...(await this.run()), exec: id, request: parsed, waitMs, outputBytesMax: 1 << 20 }
    return await this.host.call('startExec', order, { timeoutMs: 60_000 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return
    this.#hasEnded = true
    await this.#end()
    await this.host[Symbol.asyncDispose]()
    await this.files[Symbol.asyncDispose]()
    await this.browse[Symbol.asyncDispose]()
  }
}

export function hostOf(name: string): HostId {
  return HostId.parse(`host_${name.replace(/[^a-hjkmnp-tv-z0-9]/g, '').padEnd(26, '0')}`)
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

import { statfsSync } from 'node:fs'
import type { DirectoryDeps } from '@holdfast/generations/directory/durable-directory'
import { Home } from '@holdfast/generations/directory/home'
import { readBootId } from '@holdfast/generations/volume/snapshot-log'
import { FILE_CALLS } from '@holdfast/protocol/files'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { HostId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { RpcServer } from '@holdfast/rpc/rpc-server'
import { chooseRuntime } from '@holdfast/sandbox/choose-runtime'
import { ExecReports } from '../exec/exec-reports.ts'
import { fileHandlers } from '../files/file-calls.ts'
import { fileStreams } from '../files/file-streams.ts'
import { watchStream } from '../files/file-watch.ts'
import { HostLayout } from '../volume/host-layout.ts'
import { LocalVolumes } from '../volume/local-volumes.ts'
import type { CloseTiming } from '../workspace/close-live.ts'
import { attachUpgrade } from './exec-attach.ts'
import { execHandlers } from './exec-handlers.ts'
import { execStreams } from './exec-streams.ts'
import { Heartbeat } from './heartbeat.ts'
import type { HostAgentDeps, HostAgentOptions } from './host-agent-deps.ts'
import { portUpgrade } from './port-stream.ts'
import { ResidentWorkspaces } from './resident-workspaces.ts'
import { workspaceHandlers } from './workspace-handlers.ts'

const CLOSE_TIMING: CloseTiming = { graceMs: 10_000, finalMs: 60_000 }

/** What runs workspaces on one host: it answers for them, tells control of them, and ends with all of them. */
export class HostAgent implements AsyncDisposable {
  readonly #server: RpcServer
  readonly #residents: ResidentWorkspaces
  readonly #opened: AsyncDisposable

  private constructor(server: RpcServer, residents: ResidentWorkspaces, opened: AsyncDisposable) {
    this.#server = server
    this.#residents = residents
    this.#opened = opened
  }

  /** Kills what an earlier process left, then serves, then registers at control. Rejects as these do. */
  static async start(deps: HostAgentDeps, options: HostAgentOptions): Promise<HostAgent> {
    const layout = new HostLayout(options.state)
    for (const runtime of deps.runtimes) await runtime.killLeftovers(layout.sandboxes)
    await using stack = new AsyncDisposableStack()
    const reports = stack.use(
      makeReports(deps, options, (workspace, id) => residents.noteReported(workspace, id)),
    )
    const residents = stack.use(makeResidents(deps, options, { layout, reports }))
    const { address, clusterKey } = options
    const { onDefect } = deps
    const server = stack.use(
      await RpcServer.listen({ address, clusterKey, ...(onDefect ? { onDefect } : {}) }),
    )
    serve(server, deps, residents)
    const capacity = () => ({ ...options.capacity, diskFreeBytes: freeBytes(layout.path) })
    const registration = {
      host: HostId.parse(options.host),
      name: options.name,
      address: server.address,
      bootId: readBootId(),
      version: options.version,
      runtimes: deps.runtimes.map(({ kind, isolation }) => ({ kind, isolation })),
      volume: options.volume,
    }
    stack.use(await Heartbeat.begin({ ...deps, registration, capacity, residents }))
    return new HostAgent(server, residents, stack.move())
  }

  get address(): string {
    return this.#server.address
  }

  /** Saves and ends all that runs here, and takes no more: for a host that is told to end. */
  async closeAll(drainMs: number): Promise<void> {
    await this.#residents.closeAll(drainMs)
  }

  /** Ends without a commit, as a crash would; `closeAll` comes before, where there is time. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
  }
}

function makeReports(
  { clock, control }: HostAgentDeps,
  { host }: HostAgentOptions,
  onReported: (workspace: string, exec: string) => void,
): ExecReports {
  return new ExecReports({
    clock,
    send: (execs) => control.call('reportExecs', { host: HostId.parse(host), execs: [...execs] }),
    onReported: ({ workspace, exec }) => onReported(workspace, exec.id),
  })
}

function makeResidents(
  deps: HostAgentDeps,
  options: HostAgentOptions,
  { layout, reports }: { readonly layout: HostLayout; readonly reports: ExecReports },
): ResidentWorkspaces {
  const { clock, randomness, holdfs, leases, runtimes, onFatal } = deps
  const { store, keyFile, volume, ringBytesMax } = options
  const directories: DirectoryDeps = { ...deps, home: new Home(layout.home) }
  return new ResidentWorkspaces({
    ...(options.timing ?? CLOSE_TIMING),
    volumes: new LocalVolumes({ directories, layout, volume, store, keyFile }),
    leases,
    runtimeFor: (spec) => chooseRuntime(runtimes, spec),
    live: { clock, randomness, holdfs, layout },
    onFatal,
    execs: { clock, ...(ringBytesMax === undefined ? {} : { ringBytesMax }) },
    onExecEnded: (workspace, epoch, exec) =>
      reports.add({ workspace: WorkspaceId.parse(workspace), epoch, exec }),
  })
}

function serve(server: RpcServer, deps: HostAgentDeps, residents: ResidentWorkspaces): void {
  const sandboxOf = (workspace: string) => residents.get(workspace).expectSandbox()
  const registryOf = (workspace: string) => residents.registry(workspace)
  const residentOf = (workspace: string) => residents.get(workspace)
  server.serve(HOST_CALLS, {
    ...workspaceHandlers({ ...deps, residents }),
    ...execHandlers(residents),
  })
  server.serve(FILE_CALLS, fileHandlers(sandboxOf))
  server.route({
    streams: { ...execStreams(registryOf), ...fileStreams(sandboxOf), ...watchStream(sandboxOf, deps.clock) },
    upgrades: { ...attachUpgrade(registryOf), ...portUpgrade(residentOf) },
  })
}

/** Of the file system that holds the state. */
function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

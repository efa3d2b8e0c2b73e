import { statfsSync } from 'node:fs'
import { readBootId, systemBootClock } from '@holdfast/base/boot-clock'
import type { DirectoryDeps } from '@holdfast/generations/directory/durable-directory'
import { Home } from '@holdfast/generations/directory/home'
import { BROWSE_CALLS } from '@holdfast/protocol/browse-calls'
import { FILE_CALLS } from '@holdfast/protocol/files'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { HostId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { RpcServer } from '@holdfast/rpc/rpc-server'
import { chooseRuntime } from '@holdfast/sandbox/choose-runtime'
import { ImageStore } from '@holdfast/sandbox/image/image-store'
import { WarmPool, type WarmPoolSizes } from '@holdfast/sandbox/pool/warm-pool'
import type { RunningDrills } from '../drills/running-drills.ts'
import { HostEvents } from '../events/host-events.ts'
import { ExecReports } from '../exec/exec-reports.ts'
import { fileHandlers } from '../files/file-calls.ts'
import { fileStreams } from '../files/file-streams.ts'
import { watchStream } from '../files/file-watch.ts'
import type { ToolPlace } from '../files/guest-tool.ts'
import { HostLayout } from '../volume/host-layout.ts'
import { LocalVolumes } from '../volume/local-volumes.ts'
import { parkVolumes } from '../volume/park-volumes.ts'
import type { Watchdog } from '../watchdog/watchdog.ts'
import type { CloseTiming } from '../workspace/close-live.ts'
import { WriteBrake } from '../workspace/write-brake.ts'
import { attachUpgrade } from './exec-attach.ts'
import { execHandlers } from './exec-handlers.ts'
import { execStreams } from './exec-streams.ts'
import { Heartbeat } from './heartbeat.ts'
import type { HostAgentDeps, HostAgentOptions } from './host-agent-deps.ts'
import { type HostHistory, openHostHistory } from './host-history.ts'
import { makeBrowse, makeDrills } from './host-readers.ts'
import { portUpgrade } from './port-stream.ts'
import { ResidentWorkspaces } from './resident-workspaces.ts'
import { startWatchdog } from './start-watchdog.ts'
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
    await using stack = new AsyncDisposableStack()
    const directories: DirectoryDeps = { ...deps, home: new Home(layout.home) }
    stack.defer(() => parkVolumes(directories))
    const watchdog = stack.use(await startWatchdog(deps, layout))
    for (const runtime of deps.runtimes) await runtime.killLeftovers(layout.sandboxes)
    const reports = stack.use(
      makeReports(deps, options, (workspace, id) => residents.noteReported(workspace, id)),
    )
    const history = stack.use(await openHostHistory(deps, options))
    const events = stack.use(makeEvents(deps, options, layout))
    const drills = stack.use(makeDrills(deps, { layout, history, events }))
    const warm = options.warm && stack.use(openPool(deps, layout, options.warm))
    const parts = { layout, directories, reports, watchdog, events, drills, warm }
    const residents = stack.use(makeResidents(deps, options, parts))
    const { address, clusterKey } = options
    const { onDefect } = deps
    const server = stack.use(
      await RpcServer.listen({ address, clusterKey, ...(onDefect ? { onDefect } : {}) }),
    )
    serve(server, deps, { layout, history, drills, residents })
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

interface AgentParts {
  readonly layout: HostLayout
  readonly directories: DirectoryDeps
  readonly reports: ExecReports
  readonly watchdog: Watchdog
  readonly events: HostEvents
  readonly drills: RunningDrills
  readonly warm: WarmPool | undefined
}

function makeEvents(
  { clock, randomness, control }: HostAgentDeps,
  { host }: HostAgentOptions,
  layout: HostLayout,
): HostEvents {
  return new HostEvents({
    ...{ clock, randomness, path: layout.events },
    send: (events) => control.call('reportEvents', { host: HostId.parse(host), events: [...events] }),
  })
}

/** Most workspaces are of the default kind: some of these wait from the start. */
function openPool(deps: HostAgentDeps, layout: HostLayout, sizes: WarmPoolSizes): WarmPool {
  const { clock, randomness, runtimes } = deps
  const pool = new WarmPool({
    clock,
    randomness,
    sizes,
    bootMs: systemBootClock.bootMs,
    folder: layout.sandboxes,
  })
  const spec = SANDBOX_SPEC_DEFAULT
  const runtime = runtimes.find((one) => one.prepare !== undefined && one.isolation === spec.isolationMin)
  if (runtime) pool.warm({ runtime, org: '', spec }).catch(() => {}) // who asks next finds out by a start of its own
  return pool
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
  { layout, directories, reports, watchdog, events, drills, warm }: AgentParts,
): ResidentWorkspaces {
  const { clock, randomness, holdfs, leases, runtimes, onFatal } = deps
  const { store, keyFile, volume, ringBytesMax, pressure } = options
  const brake = { clock, holdfs, disk: layout.path, ...(pressure === undefined ? {} : { bounds: pressure }) }
  return new ResidentWorkspaces({
    ...(options.timing ?? CLOSE_TIMING),
    volumes: new LocalVolumes({ directories, layout, volume, store, keyFile }),
    leases,
    runtimeFor: (spec) => chooseRuntime(runtimes, spec),
    images: new ImageStore({ randomness, folder: layout.images, registries: options.registries ?? [] }),
    live: {
      ...{ clock, randomness, holdfs, layout, watchdog },
      startBrake: (parts) => new WriteBrake({ ...brake, ...parts }),
      ...(warm === undefined ? {} : { warm }),
    },
    onFatal,
    tell: (workspace, type, payload) => events.tell(workspace, type, payload),
    onStopped: (workspace) => drills.noteStopped(workspace),
    execs: { clock, ...(ringBytesMax === undefined ? {} : { ringBytesMax }) },
    onExecEnded: (workspace, epoch, exec) =>
      reports.add({ workspace: WorkspaceId.parse(workspace), epoch, exec }),
  })
}

interface ServedParts {
  readonly layout: HostLayout
  readonly history: HostHistory
  readonly drills: RunningDrills
  readonly residents: ResidentWorkspaces
}

function serve(server: RpcServer, deps: HostAgentDeps, parts: ServedParts): void {
  const { residents, drills } = parts
  const placeOf = (workspace: string, gone: AbortSignal): ToolPlace => ({
    sandbox: residents.get(workspace).expectSandbox(),
    clock: deps.clock,
    gone,
  })
  const registryOf = (workspace: string) => residents.registry(workspace)
  const residentOf = (workspace: string) => residents.get(workspace)
  const browse = makeBrowse(deps, parts)
  server.serve(HOST_CALLS, {
    ...workspaceHandlers({ ...deps, residents, drills }),
    ...execHandlers(residents),
  })
  server.serve(FILE_CALLS, fileHandlers(placeOf))
  server.serve(BROWSE_CALLS, browse.calls)
  server.route({
    streams: {
      ...execStreams(registryOf),
      ...fileStreams(placeOf),
      ...watchStream(placeOf, deps.clock),
      ...browse.streams,
    },
    upgrades: { ...attachUpgrade(registryOf), ...portUpgrade(residentOf) },
  })
}

/** Of the file system that holds the state. */
function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

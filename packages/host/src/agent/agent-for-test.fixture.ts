import { join } from 'node:path'
import { systemBootClock } from '@holdfast/base/boot-clock'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import type { ObjectStore } from '@holdfast/generations/store/object-store'
import { openObjectStore } from '@holdfast/generations/store/open-object-store'
import { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { HostId } from '@holdfast/protocol/identifiers'
import { LEASE_CALLS } from '@holdfast/protocol/lease-calls'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { installedPrograms } from '@holdfast/sandbox/native-programs'
import { NoneRuntime } from '@holdfast/sandbox/none/none-runtime'
import type { WarmPoolSizes } from '@holdfast/sandbox/pool/warm-pool'
import { RuncRuntime } from '@holdfast/sandbox/runc/runc-runtime'
import type { Runtime } from '@holdfast/sandbox/runtime'
import { HolderLeases } from '../holder-leases.ts'
import { LeaseHolder } from '../lease-holder.ts'
import { RpcGenerationIndex } from '../rpc-generation-index.ts'
import type { PressureBounds } from '../workspace/write-pressure.ts'
import { HostAgent } from './host-agent.ts'
import type { HostAgentDeps, HostAgentOptions } from './host-agent-deps.ts'

export const CLUSTER_KEY = 'the-key-of-these-tests'

export interface AgentPlace {
  /** Holds the lease role, control and the store. */
  readonly base: string
  readonly name: string
  readonly host: string
  readonly volume: 'live' | 'btrfs'
  readonly wrapStore?: (store: ObjectStore) => ObjectStore
  readonly ringBytesMax?: number
  readonly finalMs?: number
  readonly pressure?: PressureBounds
  readonly warm?: WarmPoolSizes
  readonly makeRuntime?: () => Runtime
}

export interface AgentUnderTest extends AsyncDisposable {
  readonly agent: HostAgent
}

const GROUND = { clock: systemClock, randomness: systemRandomness }
const TIMES = { ttlMs: 15_000, renewMs: 2000, marginMs: 3000 }

/** A host agent on real parts, composed as the server role does. */
export async function startAgentForTest(place: AgentPlace): Promise<AgentUnderTest> {
  await using stack = new AsyncDisposableStack()
  const holdfs = stack.use(await Holdfs.start())
  const pool = stack.use(new StagePool(1))
  const engine = { holdfs, pool, threads: 1, isRoot: true }
  const deps = { ...engine, ...depsFor(place, stack) }
  const agent = stack.use(await HostAgent.start(deps, optionsFor(place)))
  const held = stack.move()
  return { agent, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() }
}

type Engine = 'holdfs' | 'pool' | 'threads' | 'isRoot'

function depsFor(place: AgentPlace, stack: AsyncDisposableStack): Omit<HostAgentDeps, Engine> {
  const { base, wrapStore = (store) => store } = place
  const at = (name: string) => ({ clusterKey: CLUSTER_KEY, address: `unix:${join(base, name)}` })
  const lease = { ...at('lease.sock'), unreachable: 'index-unavailable' } as const
  const history = stack.use(new RpcClient(HISTORY_CALLS, lease))
  const client = stack.use(new RpcClient(LEASE_CALLS, lease))
  const control = { ...at('control.sock'), unreachable: 'overloaded' } as const
  const host = HostId.parse(place.host)
  const holding = { ...GROUND, ...TIMES, client, host, bootClock: systemBootClock }
  return {
    ...GROUND,
    openStore: async (address) => wrapStore(await openObjectStore(address, GROUND)),
    openIndex: async () => new RpcGenerationIndex({ client: history, acquire: neverAcquired }),
    runtimes: [(place.makeRuntime ?? makeRuntime)()],
    holdwatch: installedPrograms().holdwatch,
    leases: new HolderLeases((events) => stack.use(new LeaseHolder({ ...holding, events }))),
    control: stack.use(new RpcClient(CONTROL_CALLS, control)),
    connectHost: (address) =>
      new RpcClient(HOST_CALLS, { clusterKey: CLUSTER_KEY, address, unreachable: 'host-unreachable' }),
    onFatal: (failure) => {
      throw failure
    },
    onDefect: (failure, call) => console.error('defect', call, failure),
  }
}

export function makeRuntime(): RuncRuntime {
  return new RuncRuntime({ ...GROUND, programs: installedPrograms(), openFilesMax: 4096 })
}

export function makeNoneRuntime(): NoneRuntime {
  return new NoneRuntime({ ...GROUND, programs: installedPrograms(), openFilesMax: 4096 })
}

/** Leases come from the holder. */
function neverAcquired(): Promise<never> {
  return Promise.reject(new Error('the history was asked for a lease'))
}

function optionsFor(place: AgentPlace): HostAgentOptions {
  const { base, host, name, volume, ringBytesMax, pressure, warm } = place
  return {
    host,
    name,
    version: '0.0.0',
    address: `unix:${join(base, `${name}.sock`)}`,
    clusterKey: CLUSTER_KEY,
    state: join(base, name),
    store: join(base, 'store'),
    keyFile: null,
    volume,
    registries: ['127.0.0.1'],
    capacity: { cpus: 2, memoryBytes: 2 ** 31, workspacesMax: 10 },
    timing: { graceMs: 500, finalMs: place.finalMs ?? 5000 },
    ...(ringBytesMax === undefined ? {} : { ringBytesMax }),
    ...(pressure === undefined ? {} : { pressure }),
    ...(warm === undefined ? {} : { warm }),
  }
}

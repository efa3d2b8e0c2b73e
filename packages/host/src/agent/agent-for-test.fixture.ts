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
import { RuncRuntime } from '@holdfast/sandbox/runc/runc-runtime'
import { HolderLeases } from '../holder-leases.ts'
import { LeaseHolder } from '../lease-holder.ts'
import { RpcGenerationIndex } from '../rpc-generation-index.ts'
import { HostAgent } from './host-agent.ts'

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
}

/** A host agent on real parts, composed as the server role does. */
export async function startAgentForTest(place: AgentPlace): Promise<HostAgent & AsyncDisposable> {
  const { base, name, volume, wrapStore = (store) => store } = place
  const ground = { clock: systemClock, randomness: systemRandomness }
  await using stack = new AsyncDisposableStack()
  const connect = { clusterKey: CLUSTER_KEY }
  const leaseAddress = {
    ...connect,
    address: `unix:${join(base, 'lease.sock')}`,
    unreachable: 'index-unavailable',
  } as const
  const history = stack.use(new RpcClient(HISTORY_CALLS, leaseAddress))
  const leaseClient = stack.use(new RpcClient(LEASE_CALLS, leaseAddress))
  const control = stack.use(
    new RpcClient(CONTROL_CALLS, {
      ...connect,
      address: `unix:${join(base, 'control.sock')}`,
      unreachable: 'overloaded',
    }),
  )
  const host = HostId.parse(place.host)
  const leases = new HolderLeases((events) =>
    stack.use(
      new LeaseHolder({
        ...ground,
        client: leaseClient,
        host,
        bootClock: systemBootClock,
        events,
        ttlMs: 6000,
        renewMs: 1000,
        marginMs: 1000,
      }),
    ),
  )
  const holdfs = stack.use(await Holdfs.start())
  const pool = stack.use(new StagePool(1))
  const agent = stack.use(
    await HostAgent.start(
      {
        ...ground,
        holdfs,
        pool,
        threads: 1,
        isRoot: true,
        openStore: async (address) => wrapStore(await openObjectStore(address, ground)),
        openIndex: async () =>
          new RpcGenerationIndex({
            client: history,
            acquire: async () => Promise.reject(new Error('never')),
          }),
        runtimes: [new RuncRuntime({ ...ground, programs: installedPrograms(), openFilesMax: 4096 })],
        leases,
        control,
        connectHost: (address) =>
          new RpcClient(HOST_CALLS, { ...connect, address, unreachable: 'host-unreachable' }),
        onFatal: (failure) => {
          throw failure
        },
        onDefect: (failure, call) => console.error('defect', call, failure),
      },
      {
        host: place.host,
        name,
        version: '0.0.0',
        address: `unix:${join(base, `${name}.sock`)}`,
        clusterKey: CLUSTER_KEY,
        state: join(base, name),
        store: join(base, 'store'),
        keyFile: null,
        volume,
        capacity: { cpus: 2, memoryBytes: 2 ** 31, workspacesMax: 10 },
        timing: { graceMs: 500, finalMs: place.finalMs ?? 5000 },
        ...(place.ringBytesMax === undefined ? {} : { ringBytesMax: place.ringBytesMax }),
      },
    ),
  )
  const held = stack.move()
  return Object.assign(Object.create(agent), {
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  })
}

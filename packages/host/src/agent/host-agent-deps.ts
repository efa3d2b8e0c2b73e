import type { Clock } from '@holdfast/base/clock'
import type { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import type { DirectoryDeps } from '@holdfast/generations/directory/durable-directory'
import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { RpcRequest } from '@holdfast/protocol/rpc-table'
import type { RpcClient } from '@holdfast/rpc/rpc-client'
import type { WarmPoolSizes } from '@holdfast/sandbox/pool/warm-pool'
import type { Runtime } from '@holdfast/sandbox/runtime'
import type { DrillPolicy } from '../drills/drill-schedule.ts'
import type { WorkspaceVolumeDeps } from '../volume/workspace-volume.ts'
import type { CloseTiming } from '../workspace/close-live.ts'
import type { HostLine } from '../workspace/hand-off-live.ts'
import type { Leases } from '../workspace/leases.ts'
import type { PressureBounds } from '../workspace/write-pressure.ts'

type Capacity = RpcRequest<typeof CONTROL_CALLS, 'reportHost'>['capacity']

export interface HostAgentDeps
  extends Pick<DirectoryDeps, 'holdfs' | 'pool' | 'threads' | 'isRoot' | 'openStore'> {
  readonly clock: Clock
  readonly randomness: Randomness
  /** The history of an org; its file where there is one. */
  readonly openIndex: DirectoryDeps['openIndex']
  /** Those that work here, the best first. */
  readonly runtimes: readonly Runtime[]
  readonly leases: Leases
  readonly control: Pick<RpcClient<typeof CONTROL_CALLS>, 'call'>
  /** How often generations are proven that nobody asks about. */
  readonly drillPolicy?: Partial<DrillPolicy>
  /** The program `holdwatch`. */
  readonly holdwatch: string
  /** A way to another host; the caller of it ends it. */
  readonly connectHost: (address: string) => HostLine & AsyncDisposable
  /** Control is waited for until then. */
  readonly ending?: AbortSignal
  /** Only a fresh process gets over this: the caller ends this one. */
  readonly onFatal: (failure: Failure) => void
  /** Told of failures that are defects. */
  readonly onDefect?: (failure: unknown, call: string) => void
  /** Told what the operator of this host should know. */
  readonly onNotice?: (notice: string) => void
}

export interface HostAgentOptions {
  readonly host: string
  readonly name: string
  readonly version: string
  readonly address: string
  readonly clusterKey: string
  /** Holds all that the host keeps; on one file system, owned by this user. */
  readonly state: string
  /** Of the object store, as `openObjectStore` takes it. */
  readonly store: string
  readonly keyFile: string | null
  readonly volume: WorkspaceVolumeDeps['volume']
  readonly capacity: Omit<Capacity, 'diskFreeBytes'>
  readonly timing?: CloseTiming
  readonly ringBytesMax?: number
  readonly pressure?: PressureBounds
  /** Sandboxes that wait for workspaces to come; absent: none. */
  readonly warm?: WarmPoolSizes
  /** Of images, that may be at addresses which are not public; absent: none. */
  readonly registries?: readonly string[]
}

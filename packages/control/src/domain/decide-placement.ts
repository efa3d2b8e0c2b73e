import type { HostId } from '@holdfast/protocol/identifiers'
import type { Isolation, SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { HostRecord } from './host.ts'

/** From weak to strong. */
const STRENGTH: Readonly<Record<Isolation, number>> = {
  none: 0,
  'shared-kernel': 1,
  'sandboxed-kernel': 2,
  vm: 3,
}

export interface PlacementQuestion {
  readonly spec: Pick<SandboxSpec, 'isolationMin' | 'runtime'> & Partial<Pick<SandboxSpec, 'systemWrites'>>
  readonly hosts: readonly HostRecord[]
  /** Workspaces that each host runs or is about to run. */
  readonly load: ReadonlyMap<HostId, number>
  /** Where the volume of the last run may still be. */
  readonly seedHost: HostId | null
  /** Hosts that have just failed to open it: taken only if nobody else is there. */
  readonly avoid: readonly HostId[]
}

export type Placement =
  | { readonly kind: 'place'; readonly host: HostRecord }
  /** No host has room now. */
  | { readonly kind: 'wait'; readonly message: string }
  /** Hosts are there, and none isolates so much: never given less. */
  | { readonly kind: 'impossible'; readonly message: string }

/** Which host opens a workspace: one that may, that has room, that has not just failed, that has the volume, the emptiest. */
export function decidePlacement(question: PlacementQuestion): Placement {
  const { spec, hosts, load, seedHost, avoid } = question
  const ready = hosts.filter((host) => host.status === 'ready')
  if (ready.length === 0) return { kind: 'wait', message: 'no host is ready' }
  const capable = ready.filter((host) => canIsolate(host, spec))
  if (capable.length === 0)
    return {
      kind: 'impossible',
      message: `no host has ${spec.runtime ?? 'a runtime'} with ${spec.isolationMin}${writable(spec)}`,
    }
  const roomy = capable.filter((host) => (load.get(host.id) ?? 0) < host.capacity.workspacesMax)
  const [best] = roomy.toSorted((a, b) => score(a) - score(b) || compare(a.id, b.id))
  if (best === undefined) return { kind: 'wait', message: 'every host that could run it is full' }
  return { kind: 'place', host: best }

  function score(host: HostRecord): number {
    const share = (load.get(host.id) ?? 0) / Math.max(1, host.capacity.workspacesMax)
    return (avoid.includes(host.id) ? 4 : 0) + (host.id === seedHost ? 0 : 2) + share
  }
}

function canIsolate(host: HostRecord, spec: PlacementQuestion['spec']): boolean {
  return host.runtimes.some(
    ({ kind, isolation }) =>
      STRENGTH[isolation] >= STRENGTH[spec.isolationMin] &&
      (spec.runtime === undefined || spec.runtime === kind) &&
      ((spec.systemWrites ?? 'refused') === 'refused' || kind === 'runc'),
  )
}

function writable({ systemWrites = 'refused' }: PlacementQuestion['spec']): string {
  return systemWrites === 'refused' ? '' : ' and a system that can be written'
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

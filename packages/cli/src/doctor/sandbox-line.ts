import type { FsyncPolicy, Isolation, RuntimeKind } from '@holdfast/protocol/sandbox-spec'

/** What a host works with, the best first; empty: nothing that isolates. */
export interface SandboxOffer {
  readonly runtimes: readonly RuntimeKind[]
  readonly volume: 'btrfs' | 'live'
}

interface RuntimeTraits {
  readonly isolation: Isolation
  /** Of a workspace that asks for nothing else. */
  readonly fsync: FsyncPolicy
  /** What it lacks; null: nothing. */
  readonly lacks: string | null
}

const TRAITS: Readonly<Record<RuntimeKind, RuntimeTraits>> = {
  runc: { isolation: 'shared-kernel', fsync: 'relaxed', lacks: null },
  runsc: { isolation: 'sandboxed-kernel', fsync: 'native', lacks: null },
  bwrap: { isolation: 'shared-kernel', fsync: 'relaxed', lacks: 'no limits of memory, CPU and processes' },
  none: { isolation: 'none', fsync: 'native', lacks: 'NO ISOLATION: the container is the sandbox' },
}

/** One line for people: what runs code here, where workspaces live, and what that lacks. */
export function sandboxLine({ runtimes, volume }: SandboxOffer): string {
  const [kind] = runtimes
  if (kind === undefined)
    return 'sandboxes: none can be started, so `hold up` refuses; `hold up --runtime none` opts in to NO ISOLATION: the container is the sandbox'
  const { isolation, fsync, lacks } = TRAITS[kind]
  const scanned = volume === 'live' ? 'changes are found by scanning' : null
  const less = [lacks, scanned].filter((part) => part !== null)
  const isolated = isolation === 'none' ? 'none' : `${kind} (${isolation.replace('-', ' ')})`
  return `sandboxes: ${isolated} · volumes: ${volume} · fsync ${fsync} · ${less.join(', ') || 'full'}`
}

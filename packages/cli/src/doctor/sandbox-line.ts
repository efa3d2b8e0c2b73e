import type { FsyncPolicy, Isolation, RuntimeKind } from '@holdfast/protocol/sandbox-spec'

/** What a host works with, the best first; empty: nothing that isolates. */
export interface SandboxOffer {
  readonly runtimes: readonly RuntimeKind[]
  readonly volume: 'btrfs' | 'live'
  readonly isRoot: boolean
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
export function sandboxLine({ runtimes, volume, isRoot }: SandboxOffer): string {
  const [kind] = runtimes
  if (kind === undefined)
    return 'sandboxes: none can be started, so `hold up` refuses; `hold up --runtime none` opts in to NO ISOLATION: the container is the sandbox'
  const { isolation, fsync, lacks } = TRAITS[kind]
  const scanned = volume === 'live' ? 'changes are found by scanning' : null
  const weaker = isWeaker(kind, isRoot) ? WEAKER : null
  const less = [weaker, lacks, scanned].filter((part) => part !== null)
  const isolated = isolation === 'none' ? 'none' : `${kind} (${isolation.replace('-', ' ')})`
  return `sandboxes: ${isolated} · volumes: ${volume} · fsync ${fsync} · ${less.join(', ') || 'full'}`
}

const WEAKER = 'WEAKER THAN RUNC: a way out of a sandbox is root'

/** Its sandboxes have no user ids of their own: what gets out has the account of whoever started them. */
function isWeaker(kind: RuntimeKind, isRoot: boolean): boolean {
  return kind === 'bwrap' && isRoot
}

/** What a person must not miss: sandboxes isolate less here than they would, and how to mend it. Null: they do not. */
export function weakerWarning(
  { runtimes: [kind], isRoot }: Pick<SandboxOffer, 'runtimes' | 'isRoot'>,
  refused: readonly { readonly kind: RuntimeKind; readonly trouble: string }[],
): string | null {
  const runc = refused.find((one) => one.kind === 'runc')
  if (kind === undefined || runc === undefined || !isWeaker(kind, isRoot)) return null
  return (
    `WARNING: runc does not work here (${runc.trouble}), so sandboxes are ${kind}'s. They isolate less: no limits of ` +
    'memory, CPU and processes, no user ids of their own; as you are root, a way out of one is root. Install runc ' +
    '(apt-get install -y runc) and start again; `hold doctor` says what else is missing. Whoever means it says ' +
    `\`hold up --runtime ${kind}\`.`
  )
}

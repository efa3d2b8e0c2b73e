import type { WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { GenerationId, HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { SandboxFacts, SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { WorkspaceStatus } from '@holdfast/protocol/workspace-status'

/** What the reconciler still has to bring about, beside what the status says. */
export type Pending =
  | { readonly kind: 'open' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'roll-back'; readonly generation: GenerationId }
  | {
      readonly kind: 'close'
      readonly drainMs: number
      readonly force: boolean
      readonly from: WorkspaceStatus
    }

export interface DrillRecord {
  readonly workspace: WorkspaceId
  readonly generation: GenerationId
  readonly outcome: 'verified' | 'damaged'
  readonly detail: string
  readonly tookMs: number
  readonly at: number
}

/** What control keeps of a workspace. Changed by replacement; every change of status goes through `moved`. */
export interface WorkspaceRecord {
  readonly id: WorkspaceId
  readonly org: OrgId
  readonly name: string | null
  readonly createdBy: string
  readonly status: WorkspaceStatus
  readonly reason: string | null
  readonly message: string | null
  readonly movedAt: number
  /** Counts changes of status, so that a step that took long sees whether its ground has changed. */
  readonly moves: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly archivedAt: number | null
  /** Hidden from then on; the reconciler ends what runs and drops what hosts keep. */
  readonly removedAt: number | null
  readonly labels: Readonly<Record<string, string>>
  readonly spec: SandboxSpec
  readonly idleTimeoutMs: number | null
  readonly parent: WorkspaceId | null
  readonly forkedFrom: GenerationId | null
  /** The lease role knows the history. */
  readonly hasHistory: boolean
  readonly pending: Pending | null
  /** Where it runs, or is to be opened; null: nowhere. */
  readonly host: HostId | null
  /** Where its volume was last: a seed for the next resume. */
  readonly seedHost: HostId | null
  readonly epoch: number
  /** The last run that ended without its last commit: what was not durable by then is gone. */
  readonly lostEpoch: number
  readonly head: GenerationId | null
  readonly sequence: number
  readonly lastDurableAt: number | null
  readonly snapshot: GenerationId | null
  readonly snapshotError: string | null
  readonly lastDrill: DrillRecord | null
  /** Of the running sandbox. */
  readonly sandbox: SandboxFacts | null
  /** Hosts that have failed to open it since the status began. */
  readonly avoid: readonly HostId[]
  /** Failed attempts since the status began, and when the next one is due. */
  readonly attempts: number
  readonly dueAt: number | null
}

export type WorkspaceSeed = Pick<
  WorkspaceRecord,
  'id' | 'org' | 'name' | 'createdBy' | 'labels' | 'spec' | 'idleTimeoutMs' | 'parent' | 'forkedFrom'
>

/** A workspace that is to be opened as soon as somebody can. */
export function newWorkspace(seed: WorkspaceSeed, nowMs: number): WorkspaceRecord {
  return {
    ...seed,
    status: 'provisioning',
    reason: null,
    message: null,
    movedAt: nowMs,
    moves: 0,
    createdAt: nowMs,
    updatedAt: nowMs,
    archivedAt: null,
    removedAt: null,
    hasHistory: false,
    pending: { kind: 'open' },
    host: null,
    seedHost: null,
    epoch: 0,
    lostEpoch: 0,
    head: seed.forkedFrom,
    sequence: 0,
    lastDurableAt: null,
    snapshot: null,
    snapshotError: null,
    lastDrill: null,
    sandbox: null,
    avoid: [],
    attempts: 0,
    dueAt: nowMs,
  }
}

/** What a host's word changes. A head is never taken back by a report that is older than what is known. */
export function withFacts(record: WorkspaceRecord, facts: WorkspaceFacts): WorkspaceRecord {
  const isNewer = facts.sequence >= record.sequence && facts.head !== null
  return {
    ...record,
    epoch: Math.max(record.epoch, facts.epoch),
    sandbox: facts.sandbox ?? record.sandbox,
    head: isNewer ? facts.head : record.head,
    sequence: Math.max(record.sequence, facts.sequence),
    lastDurableAt: Math.max(record.lastDurableAt ?? 0, facts.lastDurableAt ?? 0) || null,
  }
}

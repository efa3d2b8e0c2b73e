import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import type { GenerationId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { LeaseState } from '@holdfast/protocol/lease-calls'

/** What the lease role keeps: histories of generations, and who holds what. All reject with `index-unavailable`. */
export interface Histories {
  /** Makes the history of a workspace, empty or going on from a generation; making it again is no error. */
  create(history: {
    readonly org: OrgId
    readonly workspace: WorkspaceId
    readonly forkedFrom: GenerationId | null
  }): Promise<void>
  /** Newest first. */
  list(
    workspace: WorkspaceId,
    page: { readonly limit: number; readonly beforeSequence?: number },
  ): Promise<readonly GenerationSummary[]>
  /** Of this workspace or of one that it was forked from; undefined for others. */
  byId(workspace: WorkspaceId, id: GenerationId): Promise<GenerationSummary | undefined>
  leaseStates(workspaces: readonly WorkspaceId[]): Promise<readonly LeaseState[]>
}

import type { WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { HostId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { HistoriesDouble } from './histories-double.ts'
import type { DoubleExecs } from './host-double-execs.ts'

export interface HostDoubleOptions {
  readonly id: string
  readonly directory: string
  readonly clusterKey: string
  readonly controlAddress: string
  readonly histories: HistoriesDouble
  readonly nowMs: () => number
  readonly address?: string
}

/** A workspace that a double runs. */
export interface DoubleWorkspace {
  facts: WorkspaceFacts
  readonly execs: DoubleExecs
  readonly directory: string
}

/** What the answers of a double stand on. */
export interface HostDoubleGround {
  readonly id: HostId
  readonly options: HostDoubleOptions
  readonly workspaces: ReadonlyMap<WorkspaceId, DoubleWorkspace>
  /** What the next closing comes to, in place of a saved generation. */
  closeOutcome: { readonly kind: 'not-saved'; readonly sandbox: 'alive' | 'gone' } | undefined
  /** What a name of a registry means now. */
  digestOf(reference: string): string
  /** Told where a workspace was handed to: the other double takes it up. */
  onHandOff: (target: HostId, facts: WorkspaceFacts) => void
  find(id: WorkspaceId): DoubleWorkspace
  factsOf(workspace: DoubleWorkspace): WorkspaceFacts
  open(id: WorkspaceId, facts: WorkspaceFacts): DoubleWorkspace
  /** Everything of it ends at once, as when a sandbox dies. */
  drop(id: WorkspaceId): void
}

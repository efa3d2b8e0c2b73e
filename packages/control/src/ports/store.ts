import type { AuditHead } from '../domain/audit-chain.ts'
import type { AuditRow, EventRecord, NewEvent } from '../domain/event.ts'
import type { EntityReads, EntityWrites } from './entities.ts'

export interface EventQuery {
  readonly org: string
  readonly workspace?: string
  readonly category?: 'activity' | 'audit'
  readonly types?: readonly string[]
  readonly afterId?: number
  readonly beforeId?: number
  readonly limit: number
}

export interface EventReads {
  /** In the order of their numbers; with `beforeId` and without `afterId` the last ones before it, newest first. */
  list(query: EventQuery): Promise<readonly EventRecord[]>
  lastId(): Promise<number>
  auditRows(org: string, afterId: number, limit: number): Promise<readonly AuditRow[]>
  auditHead(org: string): Promise<AuditHead>
  /** Activity up to this number may have been removed; 0 before any was. */
  removedThrough(): Promise<number>
}

export interface EventRemovals {
  /**
   * Removes activity that happened before `at`, the oldest first, and looks at no more than `rowsMax` rows for it. True
   * if there may be more. Rows of the audit stay.
   */
  removeBefore(at: number, rowsMax: number): Promise<boolean>
}

export interface Reads extends EntityReads {
  readonly events: EventReads
}

export interface Changes extends EntityWrites {
  readonly events: EventRemovals
  /**
   * Told once the transaction is durable, and not at all if it fails. One sequencer numbers all events of all orgs in
   * the order in which they become visible; rows of the audit are chained.
   */
  emit(event: NewEvent): void
}

/**
 * The database of control.
 *
 * `write` runs `change` in a transaction and resolves once what it changed is durable; if it rejects, nothing changed.
 * Transactions behave as if one ran after the other. `change` speaks to nothing but its `Changes`, since others wait
 * for it, and may be run again. Rejects with what `change` throws, or with `index-unavailable`.
 */
export interface Store extends AsyncDisposable {
  readonly read: Reads
  write<T>(change: (changes: Changes) => Promise<T>): Promise<T>
  /** Called after each commit with the workspaces that changed and whether there are new events. */
  onCommitted(listener: (committed: Committed) => void): () => void
}

export interface Committed {
  readonly workspaces: ReadonlySet<string>
  readonly hasEvents: boolean
}

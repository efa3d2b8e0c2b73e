import type { Operation } from './sql-operation.ts'

/** What a write decides on: rows that must stay as they are read until it ends. */
export type WriteScope =
  /** A workspace with its chunk index, under the GC boundary of its org. */
  | { readonly kind: 'workspace'; readonly id: string }
  /** The packs, GC clock and set of workspaces of an org; nothing is appended in it meanwhile. */
  | { readonly kind: 'org'; readonly id: string }
  /** The orgs of these generations. */
  | { readonly kind: 'generations'; readonly ids: readonly string[] }
  /** A workspace's epoch and its lease. */
  | { readonly kind: 'lease'; readonly workspace: string }
  /** Leases only: no epoch moves that belongs to one of them. */
  | { readonly kind: 'leases'; readonly workspaces: readonly string[] }
  /** One statement that is right by itself. */
  | { readonly kind: 'statement' }

/**
 * A database that keeps a history. An operation is one transaction: all of it or nothing, and it may be begun anew, so
 * that it is asked for as often as needed. Rejects with `index-unavailable` when the database does not answer; a write
 * may then have happened.
 */
export interface SqlDatabase {
  /** One view of the database. */
  read<T>(operation: () => Operation<T>): Promise<T> | T
  /** Nobody changes what `scope` names meanwhile; what is resolved is durable. */
  write<T>(scope: WriteScope, operation: () => Operation<T>): Promise<T> | T
  /** From then on every call rejects with `index-unavailable`. */
  close(): Promise<void> | void
}

import type { GenerationIndex } from '@holdfast/generations/index/generation-index'
import type { DatabaseClock, DatabaseInstant } from '@holdfast/lease/database-clock'
import type { LeaseRegistry } from '@holdfast/lease/lease-registry'
import { HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'

export interface OpenedRegistry {
  readonly registry: LeaseRegistry
  /** The history in the same database. */
  readonly index: GenerationIndex
  /** Closes what `open` opened and removes it. */
  close(): Promise<void>
}

/** Opens an empty database whose clock is the one given. */
export type OpenRegistry = (clock: DatabaseClock) => Promise<OpenedRegistry>

/** The clock of a database that a test moves. */
export class ManualDatabaseClock implements DatabaseClock {
  #instant: DatabaseInstant = { boot: 'boot 1', ms: 100_000 }

  now(): DatabaseInstant {
    return this.#instant
  }

  pass(ms: number): void {
    this.#instant = { ...this.#instant, ms: this.#instant.ms + ms }
  }

  /** The machine starts again, and has run for `ms` since. */
  reboot(ms: number): void {
    this.#instant = { boot: `${this.#instant.boot}+`, ms }
  }
}

export const LEASE_ORG = OrgId.parse(`org_${'0'.repeat(26)}`)

/** One of 32 ids. */
export function workspaceId(n: number): WorkspaceId {
  return WorkspaceId.parse(`ws_${'0'.repeat(25)}${'0123456789abcdefghjkmnpqrstvwxyz'.charAt(n)}`)
}

/** One of 32 ids. */
export function hostId(n: number): HostId {
  return HostId.parse(`host_${'0'.repeat(25)}${'0123456789abcdefghjkmnpqrstvwxyz'.charAt(n)}`)
}

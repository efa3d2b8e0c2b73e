import type { SqlDatabase } from '@holdfast/generations/index/sql-database'
import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import type { Lease, LeaseState } from '@holdfast/protocol/lease-calls'
import { acquireLease, leaseStates, type ReadClock, releaseLease, renewLeases } from './lease-operations.ts'
import type { AcquireRequest, LeaseRegistry, ReleaseRequest, RenewRequest } from './lease-registry.ts'

/** Leases in the database of the history, each call one transaction. */
export class SqlLeaseRegistry implements LeaseRegistry {
  readonly #database: SqlDatabase
  readonly #readClock: ReadClock

  /** Closes the database with itself. */
  constructor(database: SqlDatabase, readClock: ReadClock) {
    this.#database = database
    this.#readClock = readClock
  }

  async acquireLease(request: AcquireRequest): Promise<Lease> {
    const scope = { kind: 'lease', workspace: request.workspace } as const
    return await this.#database.write(scope, () => acquireLease(request, this.#readClock))
  }

  async renewLeases(request: RenewRequest): Promise<{ lost: WorkspaceId[] }> {
    const workspaces = request.leases.map(({ workspace }) => workspace)
    const scope = { kind: 'leases', workspaces } as const
    return await this.#database.write(scope, () => renewLeases(request, this.#readClock))
  }

  async releaseLease(request: ReleaseRequest): Promise<{ successor: Lease | null }> {
    const scope = { kind: 'lease', workspace: request.workspace } as const
    return await this.#database.write(scope, () => releaseLease(request, this.#readClock))
  }

  async leaseStates(request: { workspaces: readonly string[] }): Promise<{ states: LeaseState[] }> {
    return await this.#database.read(() => leaseStates(request.workspaces, this.#readClock))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database.close()
  }
}

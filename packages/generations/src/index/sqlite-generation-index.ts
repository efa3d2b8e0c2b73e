import {
  checkCommit,
  checkCount,
  checkName,
  checkNames,
  checkPage,
  checkReplacement,
} from './commit-shape.ts'
import type {
  ChunkIndexSource,
  GenerationCommit,
  GenerationIndex,
  GenerationRow,
  HeldLease,
  HistoryPage,
  IndexReplacement,
  PackRow,
  PackState,
  WorkspaceRow,
} from './generation-index.ts'
import { readChunkIndex, replaceChunkIndex } from './sqlite-chunk-index.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import {
  advanceBoundary,
  condemnPacks,
  forgetPacks,
  gcClockOf,
  packsInState,
  reprievePacks,
} from './sqlite-gc.ts'
import { SqliteHistory } from './sqlite-history.ts'
import {
  acquireLease,
  appendGeneration,
  createWorkspace,
  dropGenerations,
  generationRow,
  historyPage,
  markVerified,
} from './sqlite-lineage.ts'
import type { SqliteHistoryOptions } from './sqlite-schema.ts'
import { workspaceRow, workspaceRows } from './sqlite-workspaces.ts'

/**
 * The history in one SQLite file, which several processes may have open. A resolved write is synced to disk. Beside
 * the codes of the port it rejects with `volume-full`, `no-permission` and `history-corrupt`.; see `SqliteHistory` for how it is opened.
 */
export class SqliteGenerationIndex implements GenerationIndex {
  readonly #history: SqliteHistory

  private constructor(history: SqliteHistory) {
    this.#history = history
  }

  /** Opens or creates the file; rejects as `openHistory` does. */
  static async open(options: SqliteHistoryOptions): Promise<SqliteGenerationIndex> {
    return new SqliteGenerationIndex(new SqliteHistory(options))
  }

  async createWorkspace(workspace: { id: string; org: string; forkedFrom?: string }): Promise<void> {
    checkName('id', workspace.id)
    checkName('org', workspace.org)
    this.#write((connection) => createWorkspace(connection, workspace))
  }

  async workspace(id: string): Promise<WorkspaceRow> {
    return this.#read((connection) => workspaceRow(connection, id))
  }

  async workspaces(org: string): Promise<readonly WorkspaceRow[]> {
    return this.#read((connection) => workspaceRows(connection, org))
  }

  async acquire(workspace: string): Promise<HeldLease> {
    return this.#write((connection) => acquireLease(connection, workspace))
  }

  async append(lease: HeldLease, commit: GenerationCommit): Promise<void> {
    checkCommit(commit)
    this.#write((connection) => appendGeneration(connection, lease, commit))
  }

  async generation(id: string): Promise<GenerationRow> {
    return this.#read((connection) => generationRow(connection, id))
  }

  async history(workspace: string, page: HistoryPage): Promise<readonly GenerationRow[]> {
    checkPage(page)
    return this.#read((connection) => historyPage(connection, workspace, page))
  }

  async markVerified(id: string, verifiedAt: number): Promise<void> {
    checkCount('verifiedAt', verifiedAt)
    this.#write((connection) => markVerified(connection, id, verifiedAt))
  }

  async dropGenerations(ids: readonly string[]): Promise<void> {
    checkNames('ids', ids)
    this.#write((connection) => dropGenerations(connection, ids))
  }

  async chunkIndex(workspace: string): Promise<ChunkIndexSource> {
    return this.#read((connection) => readChunkIndex(connection, workspace))
  }

  async replaceIndex(lease: HeldLease, replacement: IndexReplacement): Promise<void> {
    checkReplacement(replacement)
    this.#write((connection) => replaceChunkIndex(connection, lease, replacement))
  }

  async gcClock(org: string): Promise<number> {
    return this.#read((connection) => gcClockOf(connection, org))
  }

  async packs(
    org: string,
    state: PackState,
  ): Promise<readonly (PackRow & { readonly condemnedAt: number | null })[]> {
    return this.#read((connection) => packsInState(connection, org, state))
  }

  async condemnPacks(org: string, names: readonly string[], condemnedAt: number): Promise<number> {
    checkName('org', org)
    checkNames('names', names)
    checkCount('condemnedAt', condemnedAt)
    return this.#write((connection) => condemnPacks(connection, { org, names }, condemnedAt))
  }

  async reprievePacks(org: string, names: readonly string[]): Promise<void> {
    checkNames('names', names)
    this.#write((connection) => reprievePacks(connection, org, names))
  }

  async advanceBoundary(org: string, clock: number): Promise<void> {
    checkCount('clock', clock)
    this.#write((connection) => advanceBoundary(connection, org, clock))
  }

  async forgetPacks(org: string, names: readonly string[]): Promise<void> {
    checkNames('names', names)
    this.#write((connection) => forgetPacks(connection, org, names))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#history.close()
  }

  #read<T>(work: (connection: SqliteConnection) => T): T {
    return this.#history.transact('DEFERRED', work)
  }

  #write<T>(work: (connection: SqliteConnection) => T): T {
    return this.#history.transact('IMMEDIATE', work)
  }
}

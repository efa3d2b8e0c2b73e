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
import { readChunkIndex, replaceChunkIndex } from './sql-chunk-index.ts'
import type { SqlDatabase } from './sql-database.ts'
import {
  advanceBoundary,
  condemnPacks,
  forgetPacks,
  gcClockOf,
  packsInState,
  reprievePacks,
} from './sql-gc.ts'
import {
  acquireLease,
  appendGeneration,
  createWorkspace,
  dropGenerations,
  generationRow,
  historyPage,
  markVerified,
} from './sql-lineage.ts'
import { workspaceRow, workspaceRows } from './sql-workspaces.ts'

/** The history in a database that understands SQL; the calls of the port, each one transaction. */
export class SqlGenerationIndex implements GenerationIndex {
  readonly #database: SqlDatabase

  /** Closes the database with itself. */
  constructor(database: SqlDatabase) {
    this.#database = database
  }

  async createWorkspace(workspace: { id: string; org: string; forkedFrom?: string }): Promise<void> {
    checkName('id', workspace.id)
    checkName('org', workspace.org)
    await this.#database.write({ kind: 'org', id: workspace.org }, () => createWorkspace(workspace))
  }

  async workspace(id: string): Promise<WorkspaceRow> {
    return this.#database.read(() => workspaceRow(id))
  }

  async workspaces(org: string): Promise<readonly WorkspaceRow[]> {
    return this.#database.read(() => workspaceRows(org))
  }

  async acquire(workspace: string): Promise<HeldLease> {
    return this.#database.write({ kind: 'lease', workspace }, () => acquireLease(workspace))
  }

  async append(lease: HeldLease, commit: GenerationCommit): Promise<void> {
    checkCommit(commit)
    await this.#database.write({ kind: 'workspace', id: lease.workspace }, () =>
      appendGeneration(lease, commit),
    )
  }

  async generation(id: string): Promise<GenerationRow> {
    return this.#database.read(() => generationRow(id))
  }

  async history(workspace: string, page: HistoryPage): Promise<readonly GenerationRow[]> {
    checkPage(page)
    return this.#database.read(() => historyPage(workspace, page))
  }

  async markVerified(id: string, verifiedAt: number): Promise<void> {
    checkCount('verifiedAt', verifiedAt)
    await this.#database.write({ kind: 'statement' }, () => markVerified(id, verifiedAt))
  }

  async dropGenerations(ids: readonly string[]): Promise<void> {
    checkNames('ids', ids)
    await this.#database.write({ kind: 'generations', ids }, () => dropGenerations(ids))
  }

  async chunkIndex(workspace: string): Promise<ChunkIndexSource> {
    return this.#database.read(() => readChunkIndex(workspace))
  }

  async replaceIndex(lease: HeldLease, replacement: IndexReplacement): Promise<void> {
    checkReplacement(replacement)
    await this.#database.write({ kind: 'workspace', id: lease.workspace }, () =>
      replaceChunkIndex(lease, replacement),
    )
  }

  async gcClock(org: string): Promise<number> {
    return this.#database.read(() => gcClockOf(org))
  }

  async packs(
    org: string,
    state: PackState,
  ): Promise<readonly (PackRow & { readonly condemnedAt: number | null })[]> {
    return this.#database.read(() => packsInState(org, state))
  }

  async condemnPacks(org: string, names: readonly string[], condemnedAt: number): Promise<number> {
    checkName('org', org)
    checkNames('names', names)
    checkCount('condemnedAt', condemnedAt)
    return this.#database.write({ kind: 'org', id: org }, () => condemnPacks(org, names, condemnedAt))
  }

  async reprievePacks(org: string, names: readonly string[]): Promise<void> {
    checkNames('names', names)
    await this.#database.write({ kind: 'org', id: org }, () => reprievePacks(org, names))
  }

  async advanceBoundary(org: string, clock: number): Promise<void> {
    checkCount('clock', clock)
    await this.#database.write({ kind: 'org', id: org }, () => advanceBoundary(org, clock))
  }

  async forgetPacks(org: string, names: readonly string[]): Promise<void> {
    checkNames('names', names)
    await this.#database.write({ kind: 'org', id: org }, () => forgetPacks(org, names))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database.close()
  }
}

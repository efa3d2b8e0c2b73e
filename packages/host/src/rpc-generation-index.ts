import { Failure, isFailure } from '@holdfast/base/failure'
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
} from '@holdfast/generations/index/generation-index'
import type { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import type { RpcRequest, RpcResponse } from '@holdfast/protocol/rpc-table'
import type { RpcClient } from '@holdfast/rpc/rpc-client'

type Calls = typeof HISTORY_CALLS

export interface RpcGenerationIndexDeps {
  /** Stays its opener's to close. */
  readonly client: Pick<RpcClient<Calls>, 'call'>
  /** Where leases come from: a host acquires them for itself, with a TTL. */
  readonly acquire: (workspace: string) => Promise<HeldLease>
}

/**
 * The history as the lease role answers for it, one round trip a call. No answer, or none in time, is
 * `index-unavailable`: the call may have happened, and repeating it unchanged tells.
 */
export class RpcGenerationIndex implements GenerationIndex {
  readonly #deps: RpcGenerationIndexDeps
  #closed = false

  constructor(deps: RpcGenerationIndexDeps) {
    this.#deps = deps
  }

  async createWorkspace(workspace: { id: string; org: string; forkedFrom?: string }): Promise<void> {
    await this.#call('createWorkspace', workspace)
  }

  async workspace(id: string): Promise<WorkspaceRow> {
    return await this.#call('workspace', { id })
  }

  async workspaces(org: string): Promise<readonly WorkspaceRow[]> {
    return (await this.#call('workspaces', { org })).workspaces
  }

  async acquire(workspace: string): Promise<HeldLease> {
    this.#checkOpen()
    return await this.#deps.acquire(workspace)
  }

  async append({ org, workspace, epoch }: HeldLease, commit: GenerationCommit): Promise<void> {
    await this.#call('append', { lease: { org, workspace, epoch }, commit })
  }

  async generation(id: string): Promise<GenerationRow> {
    return await this.#call('generation', { id })
  }

  async history(workspace: string, page: HistoryPage): Promise<readonly GenerationRow[]> {
    return (await this.#call('history', { workspace, page })).generations
  }

  async markVerified(id: string, verifiedAt: number): Promise<void> {
    await this.#call('markVerified', { id, verifiedAt })
  }

  async dropGenerations(ids: readonly string[]): Promise<void> {
    await this.#call('dropGenerations', { ids })
  }

  async chunkIndex(workspace: string): Promise<ChunkIndexSource> {
    return await this.#call('chunkIndex', { workspace })
  }

  async replaceIndex({ org, workspace, epoch }: HeldLease, replacement: IndexReplacement): Promise<void> {
    await this.#call('replaceIndex', { lease: { org, workspace, epoch }, replacement })
  }

  async gcClock(org: string): Promise<number> {
    return (await this.#call('gcClock', { org })).clock
  }

  async packs(
    org: string,
    state: PackState,
  ): Promise<readonly (PackRow & { readonly condemnedAt: number | null })[]> {
    return (await this.#call('packs', { org, state })).packs
  }

  async condemnPacks(org: string, names: readonly string[], condemnedAt: number): Promise<number> {
    return (await this.#call('condemnPacks', { org, names, condemnedAt })).clock
  }

  async reprievePacks(org: string, names: readonly string[]): Promise<void> {
    await this.#call('reprievePacks', { org, names })
  }

  async advanceBoundary(org: string, clock: number): Promise<void> {
    await this.#call('advanceBoundary', { org, clock })
  }

  async forgetPacks(org: string, names: readonly string[]): Promise<void> {
    await this.#call('forgetPacks', { org, names })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
  }

  #checkOpen(): void {
    if (this.#closed) throw new Failure('index-unavailable', 'the history is closed')
  }

  async #call<Name extends keyof Calls>(
    name: Name,
    request: RpcRequest<Calls, Name>,
  ): Promise<RpcResponse<Calls, Name>> {
    this.#checkOpen()
    try {
      return await this.#deps.client.call(name, request)
    } catch (error) {
      if (!isFailure(error, 'timed-out', 'host-unreachable')) throw error
      throw new Failure('index-unavailable', error.message, error.details, error)
    }
  }
}

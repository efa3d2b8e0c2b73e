import { isFailure } from '@holdfast/base/failure'
import { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import { GenerationSummary } from '@holdfast/protocol/host-calls'
import type { GenerationId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { LEASE_CALLS, type LeaseState } from '@holdfast/protocol/lease-calls'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import type { Histories } from '../ports/histories.ts'

const TABLE = { ...LEASE_CALLS, ...HISTORY_CALLS } as const

/** A child's history goes on from one of its parent's, and so does the parent's: so many forks are followed. */
const LINEAGE_MAX = 64

/** A place in a history. */
interface Point {
  readonly workspace: string
  readonly sequence: number
}

/** Asks the lease role. */
export class RpcHistories implements Histories, AsyncDisposable {
  readonly #client: RpcClient<typeof TABLE>

  constructor(options: { readonly address: string | readonly string[]; readonly clusterKey: string }) {
    this.#client = new RpcClient(TABLE, { ...options, unreachable: 'index-unavailable' })
  }

  async create(history: {
    readonly org: OrgId
    readonly workspace: WorkspaceId
    readonly forkedFrom: GenerationId | null
  }): Promise<void> {
    const { org, workspace, forkedFrom } = history
    try {
      await this.#client.call('createWorkspace', {
        id: workspace,
        org,
        ...(forkedFrom === null ? {} : { forkedFrom }),
      })
    } catch (error) {
      if (!isFailure(error, 'already-exists')) throw error
    }
  }

  async list(
    workspace: WorkspaceId,
    page: { readonly limit: number; readonly beforeSequence?: number },
  ): Promise<readonly GenerationSummary[]> {
    const { generations } = await this.#client.call('history', { workspace, page })
    return generations.map(summaryOf)
  }

  async byId(workspace: WorkspaceId, id: GenerationId): Promise<GenerationSummary | undefined> {
    const found = await this.#generation(id)
    if (found === undefined) return undefined
    return (await this.#isWithin(workspace, found)) ? summaryOf(found) : undefined
  }

  async leaseStates(workspaces: readonly WorkspaceId[]): Promise<readonly LeaseState[]> {
    if (workspaces.length === 0) return []
    return (await this.#client.call('leaseStates', { workspaces: [...workspaces] })).states
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }

  async #origin(workspace: string): Promise<Point | undefined> {
    const { forkedFrom } = await this.#client.call('workspace', { id: workspace })
    return forkedFrom === null ? undefined : await this.#generation(forkedFrom)
  }

  async #generation(id: string) {
    try {
      return await this.#client.call('generation', { id })
    } catch (error) {
      if (isFailure(error, 'not-found')) return undefined
      throw error
    }
  }

  /** Follows the forks from a workspace back: what is its own, and what lies before the points where it was forked. */
  async #isWithin(workspace: string, wanted: Point): Promise<boolean> {
    let current: string | undefined = workspace
    for (let step = 0; step < LINEAGE_MAX && current !== undefined; step++) {
      if (current === wanted.workspace) return true
      const origin: Point | undefined = await this.#origin(current)
      if (origin?.workspace === wanted.workspace) return wanted.sequence <= origin.sequence
      current = origin?.workspace
    }
    return false
  }
}

function summaryOf(generation: {
  readonly workspace: string
  readonly recordPack: string
  readonly root: string
}): GenerationSummary {
  const { workspace: _workspace, recordPack: _recordPack, root: _root, ...summary } = generation
  return GenerationSummary.parse(summary)
}

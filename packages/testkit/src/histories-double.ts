import { createHash } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'
import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import { GenerationId, type HostId, type WorkspaceId } from '@holdfast/protocol/identifiers'
import type { LeaseState } from '@holdfast/protocol/lease-calls'

interface History {
  readonly forkedFrom: GenerationId | null
  readonly generations: GenerationSummary[]
  epoch: number
  holder: HostId | null
  endsAt: number
}

/** Histories and leases in memory, for tests of who asks for them; their promises are tested where they are kept. */
export class HistoriesDouble {
  readonly #histories = new Map<string, History>()
  readonly #nowMs: () => number
  readonly #ttlMs: number
  readonly created: string[] = []

  constructor(nowMs: () => number, ttlMs = 1_000) {
    this.#nowMs = nowMs
    this.#ttlMs = ttlMs
  }

  async create(history: {
    readonly org: string
    readonly workspace: WorkspaceId
    readonly forkedFrom: GenerationId | null
  }): Promise<void> {
    const { workspace, forkedFrom } = history
    if (this.#histories.has(workspace)) return
    this.created.push(workspace)
    this.#histories.set(workspace, { forkedFrom, generations: [], epoch: 0, holder: null, endsAt: 0 })
  }

  async list(
    workspace: WorkspaceId,
    page: { readonly limit: number; readonly beforeSequence?: number },
  ): Promise<readonly GenerationSummary[]> {
    const { limit, beforeSequence = Number.POSITIVE_INFINITY } = page
    return this.#line(workspace)
      .filter(({ sequence }) => sequence < beforeSequence)
      .toReversed()
      .slice(0, limit)
  }

  async byId(workspace: WorkspaceId, id: GenerationId): Promise<GenerationSummary | undefined> {
    return this.#line(workspace).find((generation) => generation.id === id)
  }

  async leaseStates(workspaces: readonly WorkspaceId[]): Promise<readonly LeaseState[]> {
    return workspaces.flatMap((workspace) => {
      const history = this.#histories.get(workspace)
      if (history === undefined) return []
      const { epoch, holder, endsAt } = history
      const head = this.#line(workspace).at(-1)?.id ?? null
      return [{ workspace, epoch, host: holder, remainingMs: endsAt - this.#nowMs(), head }]
    })
  }

  /** The next epoch; `lease-held` while another host's lease runs. */
  acquire(workspace: WorkspaceId, host: HostId): number {
    const history = this.#of(workspace)
    const remainingMs = history.endsAt - this.#nowMs()
    if (history.holder !== null && history.holder !== host && remainingMs > 0)
      throw new Failure('lease-held', `${history.holder} has it`, {
        host: history.holder,
        epoch: history.epoch,
        remainingMs,
      })
    history.epoch++
    history.holder = host
    history.endsAt = this.#nowMs() + this.#ttlMs
    return history.epoch
  }

  /** True while it is the host's. */
  renew(workspace: WorkspaceId, host: HostId): boolean {
    const history = this.#of(workspace)
    if (history.holder !== host) return false
    history.endsAt = this.#nowMs() + this.#ttlMs
    return true
  }

  release(workspace: WorkspaceId): void {
    this.#of(workspace).holder = null
  }

  append(
    workspace: WorkspaceId,
    commit: { readonly cause: string; readonly message?: string },
  ): GenerationSummary {
    const history = this.#of(workspace)
    const parent = this.#line(workspace).at(-1)
    const sequence = (parent?.sequence ?? 0) + 1
    const generation: GenerationSummary = {
      id: GenerationId.parse(createHash('sha256').update(`${workspace} ${sequence}`).digest('hex')),
      parent: parent?.id ?? null,
      ...{ sequence, epoch: history.epoch, cause: commit.cause, message: commit.message ?? '' },
      createdAt: this.#nowMs(),
      ...{ files: 1, bytes: 1, consistency: 'cut', verifiedAt: null, retained: true },
    }
    history.generations.push(generation)
    return generation
  }

  /** From the beginning, over the points where it was forked. */
  #line(workspace: WorkspaceId): readonly GenerationSummary[] {
    const { forkedFrom, generations } = this.#of(workspace)
    if (forkedFrom === null) return generations
    for (const [parent, history] of this.#histories) {
      if (!history.generations.some(({ id }) => id === forkedFrom)) continue
      const line = this.#line(parent as WorkspaceId)
      return [...line.slice(0, line.findIndex(({ id }) => id === forkedFrom) + 1), ...generations]
    }
    throw new Failure('not-found', `no generation ${forkedFrom}`)
  }

  #of(workspace: WorkspaceId): History {
    const history = this.#histories.get(workspace)
    if (history === undefined) throw new Failure('not-found', `no history of ${workspace}`)
    return history
  }
}

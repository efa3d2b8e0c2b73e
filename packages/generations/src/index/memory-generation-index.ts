import { Failure } from '@holdfast/base/failure'
import { decideAppend, neededPacks, type Tip } from './append-decision.ts'
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
import { type ForkPoint, refuseDrop, refuseFork } from './lineage-decision.ts'
import { PACK_MOVES, type PackMove, refuseBoundary, refusePackMove } from './pack-moves.ts'
import { decideReplacement } from './replacement-decision.ts'
import type { StoredPack, WriteState } from './write-decision.ts'

interface MemoryWorkspace {
  row: WorkspaceRow
  /** Oldest first. */
  readonly generations: string[]
  baseObjects: readonly string[]
  /** Names in commit order. */
  readonly deltaPacks: Set<string>
}

interface MemoryGc {
  clock: number
  boundary: number
}

/** The history in this process's memory: for simulations and as the model of other adapters. Nothing survives it. */
export class MemoryGenerationIndex implements GenerationIndex {
  readonly #workspaces = new Map<string, MemoryWorkspace>()
  readonly #generations = new Map<string, GenerationRow>()
  readonly #packs = new Map<string, StoredPack>()
  readonly #gc = new Map<string, MemoryGc>()
  #closed = false

  async createWorkspace(workspace: { id: string; org: string; forkedFrom?: string }): Promise<void> {
    this.#checkOpen()
    checkName('id', workspace.id)
    checkName('org', workspace.org)
    if (this.#workspaces.has(workspace.id))
      throw new Failure('already-exists', `workspace exists: ${workspace.id}`, { workspace: workspace.id })
    const { id, org, forkedFrom } = workspace
    const source = forkedFrom === undefined ? undefined : this.#forkSource(org, forkedFrom)
    this.#workspaces.set(id, {
      row: { id, org, epoch: 0, head: null, forkedFrom: forkedFrom ?? null },
      generations: [],
      baseObjects: source?.baseObjects ?? [],
      deltaPacks: new Set(source?.deltaPacks),
    })
  }

  async workspace(id: string): Promise<WorkspaceRow> {
    return this.#found(id).row
  }

  async workspaces(org: string): Promise<readonly WorkspaceRow[]> {
    this.#checkOpen()
    const rows = [...this.#workspaces.values()].map((workspace) => workspace.row)
    return rows.filter((row) => row.org === org).sort((a, b) => byText(a.id, b.id))
  }

  async acquire(workspace: string): Promise<HeldLease> {
    const found = this.#found(workspace)
    found.row = { ...found.row, epoch: found.row.epoch + 1 }
    return { org: found.row.org, workspace, epoch: found.row.epoch }
  }

  async append(lease: HeldLease, commit: GenerationCommit): Promise<void> {
    checkCommit(commit)
    const workspace = this.#found(lease.workspace)
    const names = [...neededPacks(commit), ...commit.newPacks.map((pack) => pack.name)]
    const decision = decideAppend(lease, commit, {
      ...this.#writeState(workspace.row, names),
      committedIn: this.#generations.get(commit.id)?.workspace,
      tip: this.#tip(workspace.row),
    })
    if (decision.step === 'already-applied') return
    if (decision.step === 'refuse') throw decision.failure
    this.#addPacks(lease.org, decision.addPacks)
    for (const pack of commit.newPacks) workspace.deltaPacks.add(pack.name)
    const { newPacks: _newPacks, usedPacks: _usedPacks, gcSeen: _gcSeen, ...kept } = commit
    const { workspace: id, epoch } = lease
    this.#generations.set(commit.id, { ...kept, workspace: id, epoch, verifiedAt: null, retained: true })
    workspace.generations.push(commit.id)
    workspace.row = { ...workspace.row, head: commit.id }
  }

  async generation(id: string): Promise<GenerationRow> {
    this.#checkOpen()
    return this.#generationRow(id)
  }

  async history(workspace: string, page: HistoryPage): Promise<readonly GenerationRow[]> {
    checkPage(page)
    const before = page.beforeSequence ?? Number.POSITIVE_INFINITY
    const rows = this.#found(workspace).generations.map((id) => this.#generationRow(id))
    return rows
      .filter((row) => row.sequence < before && (row.retained || !page.retainedOnly))
      .reverse()
      .slice(0, page.limit)
  }

  async markVerified(id: string, verifiedAt: number): Promise<void> {
    this.#checkOpen()
    checkCount('verifiedAt', verifiedAt)
    const row = this.#generationRow(id)
    this.#generations.set(id, { ...row, verifiedAt: Math.max(verifiedAt, row.verifiedAt ?? 0) })
  }

  async dropGenerations(ids: readonly string[]): Promise<void> {
    this.#checkOpen()
    checkNames('ids', ids)
    const tips = new Map([...this.#workspaces.values()].map(({ row }) => [this.#tip(row)?.id, row.id]))
    for (const id of ids) {
      const failure = refuseDrop(id, this.#generations.has(id), tips.get(id))
      if (failure !== undefined) throw failure
    }
    for (const id of ids) this.#generations.set(id, { ...this.#generationRow(id), retained: false })
  }

  async chunkIndex(workspace: string): Promise<ChunkIndexSource> {
    const { baseObjects, deltaPacks } = this.#found(workspace)
    const packs = [...deltaPacks].flatMap((name) => this.#packs.get(name) ?? [])
    return { baseObjects, deltaPacks: packs.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })) }
  }

  async replaceIndex(lease: HeldLease, replacement: IndexReplacement): Promise<void> {
    checkReplacement(replacement)
    const workspace = this.#found(lease.workspace)
    const names = replacement.newPacks.map((pack) => pack.name)
    const decision = decideReplacement(lease, replacement, {
      ...this.#writeState(workspace.row, names),
      baseObjects: workspace.baseObjects,
    })
    if (decision.step === 'already-applied') return
    if (decision.step === 'refuse') throw decision.failure
    this.#addPacks(lease.org, decision.addPacks)
    workspace.baseObjects = [...replacement.baseObjects]
    for (const name of replacement.covered) workspace.deltaPacks.delete(name)
  }

  async gcClock(org: string): Promise<number> {
    this.#checkOpen()
    return this.#gcOf(org).clock
  }

  async packs(
    org: string,
    state: PackState,
  ): Promise<readonly (PackRow & { readonly condemnedAt: number | null })[]> {
    this.#checkOpen()
    return [...this.#packs.values()]
      .filter((pack) => pack.org === org && pack.state === state)
      .map(({ name, bytes, sha256, condemnedAt }) => ({ name, bytes, sha256, condemnedAt }))
      .sort((a, b) => byText(a.name, b.name))
  }

  async condemnPacks(org: string, names: readonly string[], condemnedAt: number): Promise<number> {
    checkName('org', org)
    checkCount('condemnedAt', condemnedAt)
    this.#move('condemn', org, names, condemnedAt)
    const gc = this.#gcOf(org)
    gc.clock += 1
    return gc.clock
  }

  async reprievePacks(org: string, names: readonly string[]): Promise<void> {
    this.#move('reprieve', org, names, null)
  }

  async advanceBoundary(org: string, clock: number): Promise<void> {
    this.#checkOpen()
    checkCount('clock', clock)
    const gc = this.#gcOf(org)
    const failure = refuseBoundary(clock, gc.clock)
    if (failure !== undefined) throw failure
    gc.boundary = Math.max(gc.boundary, clock)
  }

  async forgetPacks(org: string, names: readonly string[]): Promise<void> {
    this.#move('forget', org, names, undefined)
    for (const { deltaPacks } of this.#workspaces.values()) for (const name of names) deltaPacks.delete(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
  }

  #checkOpen(): void {
    if (this.#closed) throw new Failure('index-unavailable', 'the history is closed')
  }

  #found(id: string): MemoryWorkspace {
    this.#checkOpen()
    const workspace = this.#workspaces.get(id)
    if (workspace === undefined) throw new Failure('not-found', `no such workspace: ${id}`, { workspace: id })
    return workspace
  }

  #generationRow(id: string): GenerationRow {
    const row = this.#generations.get(id)
    if (row === undefined) throw new Failure('not-found', `no such generation: ${id}`, { id })
    return row
  }

  #forkSource(org: string, forkedFrom: string): MemoryWorkspace | undefined {
    const row = this.#generations.get(forkedFrom)
    const source = row === undefined ? undefined : this.#workspaces.get(row.workspace)
    const point: ForkPoint | undefined =
      row === undefined || source === undefined ? undefined : { ...row, org: source.row.org }
    const failure = refuseFork(org, forkedFrom, point)
    if (failure !== undefined) throw failure
    return source
  }

  #tip(workspace: WorkspaceRow): Tip | null {
    const id = workspace.head ?? workspace.forkedFrom
    return id === null ? null : this.#generationRow(id)
  }

  #gcOf(org: string): MemoryGc {
    const gc = this.#gc.get(org) ?? { clock: 0, boundary: 0 }
    this.#gc.set(org, gc)
    return gc
  }

  #writeState(workspace: WorkspaceRow, names: readonly string[]): WriteState {
    const packs = new Map(
      names.flatMap((name) => this.#packs.get(name) ?? []).map((pack) => [pack.name, pack]),
    )
    return { workspace, boundary: this.#gcOf(workspace.org).boundary, packs }
  }

  #addPacks(org: string, packs: readonly PackRow[]): void {
    for (const { name, bytes, sha256 } of packs)
      this.#packs.set(name, { name, bytes, sha256, org, state: 'live', condemnedAt: null })
  }

  /** All of them or none; `condemnedAt` undefined leaves it as it is. */
  #move(move: PackMove, org: string, names: readonly string[], condemnedAt: number | null | undefined): void {
    this.#checkOpen()
    checkNames('names', names)
    const named = new Map(names.map((name) => [name, this.#packs.get(name)]))
    const failure = refusePackMove(move, org, named)
    if (failure !== undefined) throw failure
    for (const [name, pack] of named) {
      if (pack === undefined) continue
      const at = condemnedAt === undefined ? pack.condemnedAt : condemnedAt
      this.#packs.set(name, { ...pack, state: PACK_MOVES[move].to, condemnedAt: at })
    }
  }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

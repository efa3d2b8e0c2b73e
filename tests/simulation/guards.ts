import { hash } from 'node:crypto'
import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { GenerationCommit, GenerationRow, HeldLease } from '@holdfast/generations/index/generation-index'
import { MemoryGenerationIndex } from '@holdfast/generations/index/memory-generation-index'
import { RpcGenerationIndex, type RpcGenerationIndexDeps } from '@holdfast/host/rpc-generation-index'
import type { Oracle } from './oracle.ts'

/** Each is a reason why nothing is lost; a test takes one away and expects the oracle to see what comes of it. */
export interface Guards {
  /** Sandboxes are ended at their deadlines, whoever is alive. */
  readonly deadline: boolean
  /** Only the present epoch commits. */
  readonly epoch: boolean
  /** A commit follows the head that it was made on, once. */
  readonly parent: boolean
  /** Silence is no success. */
  readonly waitForAnswer: boolean
  /** The lease moves after the last commit was acknowledged. */
  readonly releaseAfterAck: boolean
}

export const ALL_GUARDS: Guards = {
  deadline: true,
  epoch: true,
  parent: true,
  waitForAnswer: true,
  releaseAfterAck: true,
}

/** The history as the database has it, seen by the oracle. */
export class WatchedIndex extends MemoryGenerationIndex {
  readonly #oracle: Oracle
  readonly #guards: Guards
  readonly #seen = new Set<string>()
  #copies = 0

  constructor(oracle: Oracle, guards: Guards) {
    super()
    this.#oracle = oracle
    this.#guards = guards
  }

  override async append(lease: HeldLease, commit: GenerationCommit): Promise<void> {
    const { epoch, parent } = this.#guards
    const row = epoch && parent ? undefined : await this.workspace(lease.workspace)
    const shown = epoch || row === undefined ? lease : { ...lease, epoch: row.epoch }
    const following = parent ? commit : await this.#onHead(commit, row?.head ?? null)
    await super.append(shown, following)
    if (this.#seen.has(following.id)) return
    this.#seen.add(following.id)
    this.#oracle.noteCommit(lease, { ...commit, id: following.id })
  }

  /** What it would be without a test of its parent: it becomes the head whatever that is, and again when it comes again. */
  async #onHead(commit: GenerationCommit, head: string | null): Promise<GenerationCommit> {
    if (commit.parent === head) return commit
    if (head === null) return commit
    const { sequence } = await this.generation(head)
    const id = hash('sha256', `${commit.id} ${this.#copies++}`)
    return { ...commit, id, parent: head, sequence: sequence + 1 }
  }
}

/** The history as a host asks for it. */
export class AskedIndex extends RpcGenerationIndex {
  readonly #guards: Guards
  readonly #clock: Clock
  /** What was taken for durable without an answer. */
  readonly #believed = new Map<string, GenerationRow>()

  constructor(deps: RpcGenerationIndexDeps, { guards, clock }: { guards: Guards; clock: Clock }) {
    super(deps)
    this.#guards = guards
    this.#clock = clock
  }

  override async append(lease: HeldLease, commit: GenerationCommit): Promise<void> {
    const { waitForAnswer, releaseAfterAck } = this.#guards
    if (!releaseAfterAck && commit.cause === 'handoff') return void this.#appendAfterRelease(lease, commit)
    try {
      await super.append(lease, commit)
    } catch (error) {
      if (waitForAnswer || !isFailure(error, 'index-unavailable')) throw error
      const { workspace, epoch } = lease
      this.#believed.set(commit.id, { ...commit, workspace, epoch, verifiedAt: null, retained: true })
    }
  }

  override async generation(id: string): Promise<GenerationRow> {
    return this.#believed.get(id) ?? (await super.generation(id))
  }

  async #appendAfterRelease(lease: HeldLease, commit: GenerationCommit): Promise<void> {
    await this.#clock.sleep(1_000)
    await super.append(lease, commit).catch(() => {}) // nobody asks
  }
}

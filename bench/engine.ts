import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { type CommittedGeneration, Committer, type Remembered } from '@holdfast/generations/commit/committer'
import { chunkIdFromHex } from '@holdfast/generations/format/chunk-id'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import type { HeldLease } from '@holdfast/generations/index/generation-index'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { ChunkGraph } from '@holdfast/generations/maintenance/chunk-graph'
import { collectGarbage } from '@holdfast/generations/maintenance/collect-garbage'
import { waitingPacks } from '@holdfast/generations/maintenance/compact-workspace'
import { COMPACTION_POLICY, compactionDueInMs } from '@holdfast/generations/maintenance/compaction-plan'
import type { MaintenanceDeps } from '@holdfast/generations/maintenance/maintenance-deps'
import { RETENTION_POLICY, type RetentionPolicy } from '@holdfast/generations/maintenance/retention'
import { tidyWorkspace } from '@holdfast/generations/maintenance/tidy-workspace'
import { ChunkReader } from '@holdfast/generations/read/chunk-reader'
import { loadCurrentChunks, readableChunks } from '@holdfast/generations/read/load-chunk-index'
import { RestoreThreads } from '@holdfast/generations/restore/restore-threads'
import { restoreTree } from '@holdfast/generations/restore/restore-tree'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { type OpenStoreDeps, openObjectStore } from '@holdfast/generations/store/open-object-store'
import type { Changes } from '@holdfast/generations/volume/volume'
import { CountingStore } from '@holdfast/testkit/counting-store'

const WORKSPACE = 'ws_bench'
const ORG = 'org_bench'
const THREADS = 2
const CODING = { seal: null }

export interface EngineOptions {
  /** A store that is not a folder beside the index. */
  readonly store?: Required<Pick<OpenStoreDeps, 's3Credentials'>> & { readonly address: string }
  readonly clock?: Clock
}

/** The engine on one folder: a store, a SQLite index, a committer that stays warm. */
export class Engine implements AsyncDisposable {
  readonly store: CountingStore
  readonly clock: Clock
  readonly #lease: HeldLease
  readonly #index: SqliteGenerationIndex
  readonly #holdfs: Holdfs
  readonly #pool: StagePool
  readonly #committer: Committer
  readonly #graph = new ChunkGraph()

  private constructor(
    parts: {
      store: CountingStore
      clock: Clock
      lease: HeldLease
      index: SqliteGenerationIndex
      holdfs: Holdfs
      pool: StagePool
    },
    committer: Committer,
  ) {
    this.clock = parts.clock
    this.#lease = parts.lease
    this.store = parts.store
    this.#index = parts.index
    this.#holdfs = parts.holdfs
    this.#pool = parts.pool
    this.#committer = committer
  }

  /** Begins a history in `folder`, which must not hold one. */
  static async open(folder: string, options: EngineOptions = {}): Promise<Engine> {
    mkdirSync(folder, { recursive: true })
    const clock = options.clock ?? systemClock
    const deps = { randomness: systemRandomness, clock }
    const address = options.store?.address ?? join(folder, 'store')
    const store = new CountingStore(await openObjectStore(address, { ...deps, ...options.store }))
    const index = await SqliteGenerationIndex.open({ path: join(folder, 'index.sqlite') })
    await index.createWorkspace({ id: WORKSPACE, org: ORG })
    const lease = await index.acquire(WORKSPACE)
    const holdfs = await Holdfs.start()
    const pool = new StagePool(THREADS)
    const parts = { store, clock, lease, index, holdfs, pool }
    return new Engine(parts, await Committer.open({ ...deps, ...parts, sealKey: null }, lease))
  }

  /** Commits what changed; undefined when nothing did. `changes` absent: a scan finds out. */
  async commit(
    path: string,
    changes: Changes = { kind: 'unknown' },
  ): Promise<CommittedGeneration | undefined> {
    const image = { path, changes, consistency: 'per-database' } as const
    const outcome = await this.#committer.commit(image, { cause: 'periodic', message: '' })
    return outcome.kind === 'committed' ? outcome.generation : undefined
  }

  get remembered(): Remembered {
    return this.#committer.remembered
  }

  /** Thins and merges once enough packs wait, as a watch does. */
  async tidyWhenDue(): Promise<void> {
    const waiting = await waitingPacks(this.#maintenance(), WORKSPACE, COMPACTION_POLICY)
    if (compactionDueInMs(waiting, COMPACTION_POLICY) === 0) await this.tidy()
  }

  async tidy(retention: RetentionPolicy = RETENTION_POLICY): Promise<void> {
    const bounds = { retention, stepsMax: Number.POSITIVE_INFINITY }
    await tidyWorkspace(this.#maintenance(), { lease: this.#lease, graph: this.#graph, ...bounds })
  }

  /** Removes garbage at once: nobody else reads or writes. */
  async collect(): Promise<void> {
    await collectGarbage(this.#maintenance(), { org: ORG, graceMs: 0, graph: this.#graph })
  }

  #maintenance(): MaintenanceDeps {
    const { store, clock } = this
    return { store, clock, index: this.#index, coding: CODING, randomness: systemRandomness }
  }

  /** Restores the head into `path`, which is made. */
  async restore(path: string): Promise<void> {
    mkdirSync(path, { recursive: true })
    const { head } = this.#committer
    if (head === null) throw new Error('nothing was committed')
    const sources = { store: this.store, coding: CODING, index: this.#index }
    const current = await loadCurrentChunks(sources, { org: ORG, workspace: WORKSPACE })
    const chunks = new ChunkReader({ ...sources, index: readableChunks(current) })
    const threads = new RestoreThreads(THREADS, null)
    const deps = { store: this.store, coding: CODING, chunks, holdfs: this.#holdfs, threads }
    await restoreTree(
      { ...deps, setOwners: process.getuid?.() === 0 },
      { root: chunkIdFromHex(head.root), path },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]()
    await this.#holdfs[Symbol.asyncDispose]()
    await this.store[Symbol.asyncDispose]()
    await this.#index[Symbol.asyncDispose]()
  }
}

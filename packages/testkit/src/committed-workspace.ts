import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import {
  type CommitOutcome,
  type CommitRequest,
  type CommittedGeneration,
  Committer,
  type CommitterDeps,
} from '@holdfast/generations/commit/committer'
import { chunkIdFromHex } from '@holdfast/generations/format/chunk-id'
import { createFrameSeal } from '@holdfast/generations/format/frame-seal'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import type { GenerationIndex, HeldLease } from '@holdfast/generations/index/generation-index'
import { MemoryGenerationIndex } from '@holdfast/generations/index/memory-generation-index'
import { ChunkReader } from '@holdfast/generations/read/chunk-reader'
import { loadCurrentChunks, readableChunks } from '@holdfast/generations/read/load-chunk-index'
import { RestoreThreads } from '@holdfast/generations/restore/restore-threads'
import { restoreTree } from '@holdfast/generations/restore/restore-tree'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { MemoryObjectStore } from '@holdfast/generations/store/memory-object-store'
import type { ObjectStore } from '@holdfast/generations/store/object-store'
import type { Image } from '@holdfast/generations/volume/volume'
import { assertSameTree } from './tree-facts.ts'

export const ORG = 'org'
export const WORKSPACE = 'ws'

type ImageFacts = Pick<Image, 'changes' | 'consistency' | 'isDoubted'>

export interface CommittedWorkspaceOptions {
  /** What is committed; by default a fresh directory beside everything else. */
  readonly source?: string
  readonly store?: ObjectStore
  readonly index?: GenerationIndex
  readonly sealKey?: Uint8Array
  readonly clock?: Clock
}

/** A directory under a committer, with a real native process and real threads; all of it is gone at the end of the scope. */
export class CommittedWorkspace implements AsyncDisposable {
  readonly home: string
  readonly source: string
  readonly deps: CommitterDeps
  committer: Committer
  lease: HeldLease
  #restores = 0

  private constructor(parts: {
    home: string
    source: string
    deps: CommitterDeps
    committer: Committer
    lease: HeldLease
  }) {
    this.home = parts.home
    this.source = parts.source
    this.deps = parts.deps
    this.committer = parts.committer
    this.lease = parts.lease
  }

  static async open(options: CommittedWorkspaceOptions = {}): Promise<CommittedWorkspace> {
    const home = mkdtempSync(join(tmpdir(), 'holdfast-workspace-'))
    const source = options.source ?? join(home, 'source')
    mkdirSync(source, { recursive: true })
    const clock = options.clock ?? systemClock
    const deps: CommitterDeps = {
      store: options.store ?? new MemoryObjectStore(systemClock),
      index: options.index ?? new MemoryGenerationIndex(),
      clock,
      randomness: systemRandomness,
      holdfs: await Holdfs.start(),
      pool: new StagePool(2),
      sealKey: options.sealKey ?? null,
    }
    await deps.index.createWorkspace({ id: WORKSPACE, org: ORG })
    const lease = await deps.index.acquire(WORKSPACE)
    return new CommittedWorkspace({ home, source, deps, lease, committer: await Committer.open(deps, lease) })
  }

  path(name: string): string {
    return join(this.source, name)
  }

  get holdfs(): Holdfs {
    return this.deps.holdfs
  }

  commit(request: Partial<CommitRequest> & Partial<ImageFacts> = {}): Promise<CommitOutcome> {
    const { changes = { kind: 'unknown' }, consistency = 'cut', isDoubted = false, ...rest } = request
    const image = { path: this.source, changes, consistency, isDoubted }
    return this.committer.commit(image, { cause: 'periodic', message: '', ...rest })
  }

  /** Commits what has to be a new generation. */
  async commitNew(request: Partial<CommitRequest> & Partial<ImageFacts> = {}): Promise<CommittedGeneration> {
    const outcome = await this.commit(request)
    assert.equal(outcome.kind, 'committed')
    return outcome.kind === 'committed' ? outcome.generation : assert.fail('not committed')
  }

  /** Goes on as another process would: with a new lease and nothing remembered. */
  async reopen(): Promise<void> {
    this.lease = await this.deps.index.acquire(WORKSPACE)
    this.committer = await Committer.open(this.deps, this.lease)
  }

  /** Reads chunks from the store alone. */
  async chunks(store: ObjectStore = this.deps.store): Promise<ChunkReader> {
    const coding = { seal: this.deps.sealKey && createFrameSeal(this.deps.sealKey) }
    const current = await loadCurrentChunks(
      { ...this.deps, store, coding },
      { org: ORG, workspace: WORKSPACE },
    )
    return new ChunkReader({ store, coding, index: readableChunks(current) })
  }

  /** Restores a root into a fresh directory and returns its path. */
  async restore(root: string, store: ObjectStore = this.deps.store): Promise<string> {
    const path = join(this.home, `restored-${++this.#restores}`)
    mkdirSync(path)
    const coding = { seal: this.deps.sealKey && createFrameSeal(this.deps.sealKey) }
    const threads = new RestoreThreads(1, this.deps.sealKey)
    const chunks = await this.chunks(store)
    const setOwners = process.getuid?.() === 0
    const deps = { store, coding, chunks, threads, holdfs: this.holdfs, setOwners }
    await restoreTree(deps, { root: chunkIdFromHex(root), path })
    return path
  }

  /** Fails unless a restore of `root` equals the source, attributes and all. */
  async assertRestores(root: string): Promise<void> {
    const restored = await this.restore(root)
    await assertSameTree(this.holdfs, restored, this.source)
    rmSync(restored, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.deps.pool[Symbol.asyncDispose]()
    await this.deps.holdfs[Symbol.asyncDispose]()
    await this.deps.store[Symbol.asyncDispose]()
    await this.deps.index[Symbol.asyncDispose]()
    execFileSync('rm', ['-rf', this.home])
  }
}

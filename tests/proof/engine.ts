import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import {
  type CommitOutcome,
  type CommittedGeneration,
  Committer,
  type CommitterDeps,
} from '@holdfast/generations/commit/committer'
import { chunkIdFromHex } from '@holdfast/generations/format/chunk-id'
import type { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { MemoryGenerationIndex } from '@holdfast/generations/index/memory-generation-index'
import { ChunkReader } from '@holdfast/generations/read/chunk-reader'
import { loadChunkIndex } from '@holdfast/generations/read/load-chunk-index'
import { RestoreThreads } from '@holdfast/generations/restore/restore-threads'
import { restoreTree } from '@holdfast/generations/restore/restore-tree'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { openObjectStore } from '@holdfast/generations/store/open-object-store'
import type { Image } from '@holdfast/generations/volume/volume'

const CODING = { seal: null }

/** The real engine on a folder store, without the volumes that take captures: a test brings its own images. */
export class Engine implements AsyncDisposable {
  readonly #deps: CommitterDeps
  readonly #scratch: string
  #workspaces = 0

  private constructor(deps: CommitterDeps, scratch: string) {
    this.#deps = deps
    this.#scratch = scratch
  }

  static async open(holdfs: Holdfs, scratch: string): Promise<Engine> {
    const ports = { clock: systemClock, randomness: systemRandomness }
    const deps: CommitterDeps = {
      ...ports,
      store: await openObjectStore(join(scratch, 'store'), ports),
      index: new MemoryGenerationIndex(),
      holdfs,
      pool: new StagePool(1),
      sealKey: null,
    }
    return new Engine(deps, scratch)
  }

  async openWorkspace(): Promise<CommittedCaptures> {
    this.#workspaces += 1
    const id = `ws${this.#workspaces}`
    await this.#deps.index.createWorkspace({ id, org: 'local' })
    const committer = await Committer.open(this.#deps, await this.#deps.index.acquire(id))
    return new CommittedCaptures(this.#deps, { id, committer, scratch: this.#scratch })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#deps.pool[Symbol.asyncDispose]()
    await this.#deps.store[Symbol.asyncDispose]()
    await this.#deps.index[Symbol.asyncDispose]()
  }
}

/** The history of one workspace: a generation for each capture that is committed. */
export class CommittedCaptures {
  readonly #deps: CommitterDeps
  readonly #workspace: { readonly id: string; readonly committer: Committer; readonly scratch: string }

  constructor(
    deps: CommitterDeps,
    workspace: { readonly id: string; readonly committer: Committer; readonly scratch: string },
  ) {
    this.#deps = deps
    this.#workspace = workspace
  }

  /** Commits a snapshot, or another image, also one like that before. */
  async commit(snapshot: Pick<Image, 'path'> & Partial<Image>): Promise<CommittedGeneration> {
    const image: Image = { changes: { kind: 'unknown' }, consistency: 'cut', ...snapshot }
    const request = { cause: 'periodic', message: '', always: true } as const
    const outcome: CommitOutcome = await this.#workspace.committer.commit(image, request)
    assert(outcome.kind === 'committed')
    return outcome.generation
  }

  /** Restores a generation as directory `path`, which is empty or absent. */
  async restore(generation: CommittedGeneration, path: string): Promise<void> {
    const { store, index, holdfs } = this.#deps
    const source = await index.chunkIndex(this.#workspace.id)
    const chunks = new ChunkReader({
      store,
      coding: CODING,
      index: await loadChunkIndex({ store, coding: CODING }, source),
    })
    mkdirSync(path, { recursive: true })
    const threads = new RestoreThreads(1, null)
    const deps = { store, coding: CODING, chunks, holdfs, threads, setOwners: true }
    await restoreTree(deps, { root: chunkIdFromHex(generation.root), path })
  }

  /** Restores a generation somewhere for as long as `use` looks at it. */
  async whileRestored(generation: CommittedGeneration, use: (path: string) => void): Promise<void> {
    const path = mkdtempSync(join(this.#workspace.scratch, 'restored-'))
    try {
      await this.restore(generation, path)
      use(path)
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  }
}

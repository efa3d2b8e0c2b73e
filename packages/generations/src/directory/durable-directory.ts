import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import { commitRoot } from '../commit/commit-root.ts'
import { type CommitOutcome, type CommitRequest, Committer } from '../commit/committer.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { FrameCoding } from '../format/frame.ts'
import { createFrameSeal, SEAL_KEY_BYTES } from '../format/frame-seal.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type { GenerationIndex, GenerationRow, HeldLease } from '../index/generation-index.ts'
import { ChunkReader } from '../read/chunk-reader.ts'
import { loadCurrentChunks, readableChunks } from '../read/load-chunk-index.ts'
import { type RestoredTree, type RestoreProgress, restoreTree } from '../restore/restore-tree.ts'
import type { StagePool } from '../stage/stage-pool.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { qualifyObjectStore } from '../store/qualify-object-store.ts'
import type { Image, VolumeOrigin } from '../volume/volume.ts'
import { HeldHistory } from './held-history.ts'
import type { DirectoryConfig, Home, OrgConfig } from './home.ts'
import { syncDirectory } from './json-file.ts'
import { rememberedOf } from './local-generations.ts'
import { makeBtrfsVolume, refuseInside } from './open-btrfs-volume.ts'
import { saveRemembered } from './remembered-files.ts'
import { restoreDepsOf } from './restore-onto.ts'
import { makeStaging, removeAbandoned } from './restore-staging.ts'
import type { Unfinished } from './unfinished.ts'
import { WriterLock } from './writer-lock.ts'

/** What every operation on directories needs; the composition root makes it once. */
export interface DirectoryDeps {
  readonly home: Home
  readonly clock: Clock
  readonly randomness: Randomness
  readonly holdfs: Holdfs
  readonly pool: StagePool
  readonly threads: number
  /** True when the process may set owners. */
  readonly isRoot: boolean
  readonly openStore: (address: string) => Promise<ObjectStore>
  readonly openIndex: (path: string) => Promise<GenerationIndex>
  /** Told of what is being made, for a process that may be told to end meanwhile. */
  readonly unfinished?: Unfinished
}

export interface InitRequest {
  readonly path: string
  readonly store: string
  readonly keyFile: string | null
  /** `live` when absent. */
  readonly volume?: DirectoryConfig['volume']
}

/** What a fork begins with. */
export interface ForkOrigin {
  readonly generation: string
  /** A local snapshot of the generation for a btrfs volume; else `fill` restores the generation at a path. */
  readonly snapshot: VolumeOrigin | undefined
  readonly fill: (path: string) => Promise<void>
}

/** A directory with a history: what the commands of `hold dir` work on. */
export class DurableDirectory implements AsyncDisposable {
  readonly deps: DirectoryDeps
  readonly config: DirectoryConfig
  readonly store: ObjectStore
  readonly index: GenerationIndex
  readonly sealKey: Uint8Array | null
  readonly coding: FrameCoding

  private constructor(
    deps: DirectoryDeps,
    config: DirectoryConfig,
    opened: { store: ObjectStore; index: GenerationIndex; sealKey: Uint8Array | null },
  ) {
    this.deps = deps
    this.config = config
    this.store = opened.store
    this.index = opened.index
    this.sealKey = opened.sealKey
    this.coding = { seal: opened.sealKey && createFrameSeal(opened.sealKey) }
  }

  /**
   * Begins a history for a directory, which is made if need be. Rejects with `already-exists`, as `findOrMakeOrg` does,
   * and for a btrfs volume as `refuseInside` and `makeBtrfsVolume` do.
   */
  static async init(deps: DirectoryDeps, request: InitRequest): Promise<DurableDirectory> {
    mkdirSync(request.path, { recursive: true })
    const path = realpathSync(request.path)
    if (deps.home.directories().some((known) => known.path === path)) {
      throw new Failure('already-exists', `${path} has a history already: \`hold dir history ${path}\``, {
        path,
      })
    }
    const org = await findOrMakeOrg(deps, request)
    const config: DirectoryConfig = {
      format: 1,
      workspace: newIdentifier('ws', deps.randomness),
      org: org.org,
      path,
      volume: request.volume ?? 'live',
    }
    return await DurableDirectory.register(deps, config)
  }

  /** Records a new directory with its volume, and a workspace for it: empty, or a fork. Rejects as `init` does. */
  static async register(
    deps: DirectoryDeps,
    config: DirectoryConfig,
    fork?: ForkOrigin,
  ): Promise<DurableDirectory> {
    await using stack = new AsyncDisposableStack()
    const directory = stack.use(await DurableDirectory.#openWith(deps, config, deps.home.org(config.org)))
    if (config.volume === 'btrfs') {
      refuseInside(deps.home, config)
      const volume = await makeBtrfsVolume(deps, config, fork?.snapshot)
      stack.defer(() => volume.destroy())
      if (fork && !fork.snapshot) await volume.fill(fork.generation, fork.fill)
    } else await fork?.fill(config.path)
    const workspace = { id: config.workspace, org: config.org }
    await directory.index.createWorkspace(fork ? { ...workspace, forkedFrom: fork.generation } : workspace)
    deps.home.saveDirectory(config)
    stack.move()
    return directory
  }

  /** The directory at a path, which may be gone from the disk. Rejects with `not-found`. */
  static async open(deps: DirectoryDeps, path: string): Promise<DurableDirectory> {
    return await DurableDirectory.openKnown(deps, deps.home.directoryAt(realPath(path)))
  }

  /** As `open`, for one whose record is at hand. */
  static async openKnown(deps: DirectoryDeps, config: DirectoryConfig): Promise<DurableDirectory> {
    return await DurableDirectory.#openWith(deps, config, deps.home.org(config.org))
  }

  static async #openWith(
    deps: DirectoryDeps,
    config: DirectoryConfig,
    org: OrgConfig,
  ): Promise<DurableDirectory> {
    const sealKey = org.keyFile === null ? null : readKeyFile(org.keyFile)
    const store = await deps.openStore(org.store)
    const index = await deps.openIndex(deps.home.indexPath(org.org))
    return new DurableDirectory(deps, config, { store, index, sealKey })
  }

  /** Where local caches of this directory live. */
  get folder(): string {
    return this.deps.home.directoryPath(this.config.workspace)
  }

  /** Takes the right to write this history until it is disposed of. Rejects with `lease-held`. */
  async hold(): Promise<HeldHistory> {
    const lock = WriterLock.take(this.folder)
    try {
      return new HeldHistory(lock, await this.index.acquire(this.config.workspace))
    } catch (error) {
      lock[Symbol.dispose]()
      throw error
    }
  }

  /**
   * A writer under the right that is `held`, else under one that it takes, as `hold` does; it gives the right back when it
   * is disposed of.
   */
  async openWriter(held?: HeldHistory): Promise<DirectoryWriter> {
    const right = held ?? (await this.hold())
    try {
      const deps = { ...this.deps, store: this.store, index: this.index, sealKey: this.sealKey }
      const committer = await Committer.open(deps, right.lease, await rememberedOf(this))
      return new DirectoryWriter(this, right, committer)
    } catch (error) {
      right[Symbol.dispose]()
      throw error
    }
  }

  /**
   * Makes the tree of a generation that exists the newest one, as `commitRoot` does, without looking at the directory:
   * it is for the caller to bring that there.
   */
  commitRoot(lease: HeldLease, generation: string, request: CommitRequest): Promise<GenerationRow> {
    const { deps, store, index, coding } = this
    const { clock, randomness } = deps
    const chunks = () => this.chunkReader()
    return commitRoot({ store, index, coding, clock, randomness, chunks }, lease, { generation, request })
  }

  /** Reads chunks of any retained generation. */
  async chunkReader(): Promise<ChunkReader> {
    const current = await loadCurrentChunks(this, this.config)
    return new ChunkReader({ store: this.store, coding: this.coding, index: readableChunks(current) })
  }

  /** Newest first. */
  history(limit: number, beforeSequence?: number): Promise<readonly GenerationRow[]> {
    return this.index.history(this.config.workspace, {
      limit,
      ...(beforeSequence === undefined ? {} : { beforeSequence }),
    })
  }

  /** The generation that a person means: `head`, a number of the sequence, or the beginning of an id. */
  async find(reference = 'head'): Promise<GenerationRow> {
    for (let before: number | undefined; ; ) {
      const page = await this.history(HISTORY_PAGE, before)
      const matches = page.filter((row, index) =>
        isNamed(row, reference, before === undefined && index === 0),
      )
      const [first, second] = matches
      if (first && second)
        throw new Failure('invalid-argument', `${reference} names more than one generation`, { reference })
      if (first) return first
      before = page.at(-1)?.sequence
      if (before === undefined || page.length < HISTORY_PAGE) break
    }
    throw new Failure('not-found', `no generation ${reference} in the history of ${this.config.path}`, {
      reference,
    })
  }

  /**
   * Restores a generation as a new directory; the path appears at once, complete and durable. Rejects with `not-empty`
   * or `already-exists` for a path that is taken, and as `restoreTree` does; then nothing is left behind. What a
   * restore that was killed left, the next one to the same path removes.
   */
  async restore(request: {
    readonly generation: GenerationRow
    readonly path: string
    readonly onProgress?: (progress: RestoreProgress) => void
    /** Called with where it lies before it appears, when nobody can have written it. */
    readonly beforeVisible?: (path: string) => Promise<void>
  }): Promise<RestoredTree> {
    const path = resolve(request.path)
    refuseOccupied(path)
    await removeAbandoned(path)
    const staging = makeStaging(path, this.deps.randomness)
    using _making = this.deps.unfinished?.add(staging)
    try {
      const restored = await this.restoreInto({ ...request, path: staging })
      await request.beforeVisible?.(staging)
      renameSync(staging, path)
      syncDirectory(dirname(path))
      return restored
    } catch (error) {
      rmSync(staging, { recursive: true, force: true })
      throw error
    }
  }

  /** Restores a generation into an empty directory, which is complete and durable when this resolves, not before. */
  async restoreInto(request: {
    readonly generation: GenerationRow
    readonly path: string
    readonly onProgress?: (progress: RestoreProgress) => void
  }): Promise<RestoredTree> {
    const { root, files } = request.generation
    return await restoreTree(await restoreDepsOf(this), { ...request, root: chunkIdFromHex(root), files })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]()
    await this.index[Symbol.asyncDispose]()
  }
}

/** The one writer of a directory's history. */
export class DirectoryWriter implements Disposable {
  readonly #directory: DurableDirectory
  readonly #held: HeldHistory
  readonly #committer: Committer

  constructor(directory: DurableDirectory, held: HeldHistory, committer: Committer) {
    this.#directory = directory
    this.#held = held
    this.#committer = committer
  }

  get lease(): HeldLease {
    return this.#held.lease
  }

  /** Commits an image of the directory; rejects as `Committer.commit` does. */
  commit(image: Image, request: CommitRequest): Promise<CommitOutcome> {
    return this.#committer.commit(image, request)
  }

  /** Stores what changed while the writers run, as `Committer.prepare` does. */
  prepare(image: Image): ReturnType<Committer['prepare']> {
    return this.#committer.prepare(image)
  }

  /** The newest generation; null before the first commit. */
  get head(): Committer['head'] {
    return this.#committer.head
  }

  /** Saves what the next process needs to find changes quickly. False if it cannot: that one reads everything. */
  saveState(): boolean {
    try {
      saveRemembered(this.#directory.folder, this.#committer.remembered)
      return true
    } catch {
      return false
    }
  }

  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]()
  }
}

const HISTORY_PAGE = 200
const REFERENCE_LETTERS_MIN = 4

function isNamed(row: GenerationRow, reference: string, isHead: boolean): boolean {
  if (reference === 'head') return isHead
  if (/^\d{1,9}$/.test(reference) && row.sequence === Number(reference)) return true
  return reference.length >= REFERENCE_LETTERS_MIN && row.id.startsWith(reference)
}

/**
 * The org of a store in this home, made at the first directory that uses the store. Rejects as `qualifyObjectStore` does
 * for a store that cannot be trusted, and with `wrong-key`.
 */
export async function findOrMakeOrg(deps: DirectoryDeps, request: InitRequest): Promise<OrgConfig> {
  const keyFile = request.keyFile === null ? null : realPath(request.keyFile)
  const known = deps.home.orgs().find((org) => org.store === request.store)
  if (known && known.keyFile === keyFile) return known
  if (known)
    throw new Failure('wrong-key', `${request.store} was begun with ${known.keyFile ?? 'no key'}`, {
      store: request.store,
    })
  const org = newIdentifier('org', deps.randomness)
  const config: OrgConfig = { format: 1, org, store: request.store, keyFile }
  await using store = await deps.openStore(request.store)
  await qualifyObjectStore(store, deps.randomness)
  deps.home.saveOrg(config)
  return config
}

/** The key in a file of 64 hex digits. Rejects with `wrong-key`. */
export function readKeyFile(path: string): Uint8Array {
  if (!existsSync(path)) throw new Failure('wrong-key', `the key file ${path} is gone`, { path })
  const text = readFileSync(path, 'utf8').trim()
  if (!/^[0-9a-f]{64}$/i.test(text)) {
    throw new Failure('wrong-key', `${path} does not hold ${SEAL_KEY_BYTES * 2} hex digits`, { path })
  }
  return Buffer.from(text, 'hex')
}

/** The path without links, as far as it exists: a removed directory is still found by its name. */
export function realPath(path: string): string {
  const absolute = resolve(path)
  if (existsSync(absolute)) return realpathSync(absolute)
  const parent = dirname(absolute)
  return parent === absolute ? absolute : join(realPath(parent), basename(absolute))
}

function refuseOccupied(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isDirectory())
    throw new Failure('already-exists', `${path} exists and is not a directory`, { path })
  if (readdirSync(path).length > 0)
    throw new Failure('not-empty', `${path} exists and is not empty`, { path })
}

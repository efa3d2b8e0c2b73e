import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import type { GenerationCause } from '@holdfast/protocol/generation'
import { type ByteString, baseName, parentPath } from '../format/byte-string.ts'
import { chunkIdToHex } from '../format/chunk-id.ts'
import type { FrameCoding } from '../format/frame.ts'
import { createFrameSeal } from '../format/frame-seal.ts'
import {
  encodeGenerationRecord,
  type GenerationRecord,
  NOTICES_MAX,
  type Notice,
} from '../format/generation-record.ts'
import { randomName } from '../format/names.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type {
  GenerationCommit,
  GenerationIndex,
  GenerationRow,
  HeldLease,
} from '../index/generation-index.ts'
import type { HoldScope } from '../live-sqlite/database-hold.ts'
import { kindIn } from '../scan/directory-state.ts'
import { TreeState } from '../scan/tree-state.ts'
import type { DatabaseMemory } from '../stage/database-memory.ts'
import type { StageSession } from '../stage/stage-messages.ts'
import type { StageProgress } from '../stage/stage-meter.ts'
import type { StagePool } from '../stage/stage-pool.ts'
import { type StagedTree, stageTree } from '../stage/stage-tree.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { Changes, Image } from '../volume/volume.ts'
import { commitOf, packRows } from './append-generation.ts'
import { KnownChunks } from './known-chunks.ts'
import { PackUploads } from './pack-uploads.ts'
import { Submissions } from './submissions.ts'

/** Two writes within one tick of the kernel's coarse clock (4 ms at 250 Hz) leave the same mtime; doubled twice. */
export const RACY_MS = 16
/** Less than this is read again under the freeze: that takes some milliseconds. */
const PREPARED_BYTES_MIN = 1 << 20

export interface CommitterDeps {
  readonly store: ObjectStore
  readonly index: GenerationIndex
  readonly clock: Clock
  readonly randomness: Randomness
  readonly holdfs: Holdfs
  readonly pool: StagePool
  /** The store's key, or null for a store that is not sealed. */
  readonly sealKey: Uint8Array | null
  /** What the packs that a record names may come to; absent: what readers take. */
  readonly packRowBytesMax?: number
}

export interface CommitRequest {
  readonly cause: GenerationCause
  readonly message: string
  /** Commits even if nothing changed: a checkpoint is a generation of its own. */
  readonly always?: boolean
  readonly onProgress?: ((progress: StageProgress) => void) | undefined
}

export interface CommittedGeneration extends Omit<GenerationCommit, 'newPacks' | 'usedPacks' | 'gcSeen'> {
  readonly newBytes: number
  readonly newObjects: number
  readonly databases: number
  readonly notices: readonly Notice[]
}

export type CommitOutcome =
  | { readonly kind: 'committed'; readonly generation: CommittedGeneration }
  | { readonly kind: 'unchanged'; readonly head: GenerationRow }

/** What one commit leaves for the next: a cache, bound to the generation that it describes. */
export interface Remembered {
  readonly generation: string | null
  readonly state: TreeState
  readonly memories: Map<ByteString, DatabaseMemory | Uint8Array>
}

type Parent = Pick<GenerationRow, 'id' | 'sequence' | 'root'>

/** What `prepare` stored and no commit names yet, as of the oldest GC clock among its parts. */
interface Prepared {
  readonly packs: PackUploads['packs']
  readonly usedPacks: readonly string[]
  readonly gcSeen: number
}

const NOTHING_PREPARED: Prepared = { packs: [], usedPacks: [], gcSeen: Number.MAX_SAFE_INTEGER }

interface Submission {
  readonly commit: GenerationCommit
  readonly staged: StagedTree
  readonly uploads: PackUploads
}

/** Commits the images of one workspace, one at a time, under one lease. */
export class Committer {
  readonly #deps: CommitterDeps
  readonly #lease: HeldLease
  readonly #coding: FrameCoding
  readonly #remembered: {
    generation: string | null
    state: TreeState
    memories: Map<ByteString, DatabaseMemory | Uint8Array>
  }
  #parent: Parent | null
  #known: KnownChunks | undefined
  #gcSeen = -1
  readonly #submissions: Submissions<Submission>
  #prepared = NOTHING_PREPARED
  /** Those under which a capture was taken over: databases are read by what changed since. */
  #pins: ReadonlySet<string> = new Set()

  private constructor(
    deps: CommitterDeps,
    lease: HeldLease,
    start: { parent: Parent | null; remembered: Remembered },
  ) {
    this.#deps = deps
    this.#lease = lease
    this.#coding = { seal: deps.sealKey && createFrameSeal(deps.sealKey) }
    this.#submissions = new Submissions(deps, lease, {
      accept: (submission) => this.#accept(submission),
      discard: ({ staged }, failure) => {
        staged.stager.discard()
        if (isFailure(failure, 'gc-expired')) this.#forgetPrepared()
      },
    })
    this.#parent = start.parent
    this.#remembered = { ...start.remembered }
  }

  /** `remembered` is used if it belongs to the present head; otherwise every file is read again. */
  static async open(deps: CommitterDeps, lease: HeldLease, remembered?: Remembered): Promise<Committer> {
    const workspace = await deps.index.workspace(lease.workspace)
    const parentId = workspace.head ?? workspace.forkedFrom
    const parent = parentId === null ? null : await deps.index.generation(parentId)
    const fits = remembered !== undefined && remembered.generation === parentId
    const nothing = { generation: parentId, state: new TreeState(), memories: new Map() }
    return new Committer(deps, lease, { parent, remembered: fits ? remembered : nothing })
  }

  get remembered(): Remembered {
    return this.#remembered
  }

  get head(): Parent | null {
    return this.#parent
  }

  /**
   * Commits what `image` holds. When it resolves, the generation is durable and the head. Rejects with the failures of
   * reading and storing, with `lease-lost`, `head-moved` or `gc-expired`, and with `outcome-unknown` when the commit may
   * have happened: the next call finds out first.
   */
  async commit(image: Image, request: CommitRequest): Promise<CommitOutcome> {
    await this.#submissions.resolve()
    const scope = image.consistency === 'cut' ? 'large' : 'all'
    const { staged, uploads, known } = await this.#stage(image, scope, request.onProgress)
    using _engine = staged.engine
    await image.release?.()
    if (!request.always && this.#parent?.root === chunkIdToHex(staged.root)) {
      refuseNotCaptured(staged)
      return this.#unchanged(staged, this.#parent)
    }
    return await this.#commitStaged(image, request, { staged, uploads, known })
  }

  /**
   * Stores what changed without committing it, while the writers run: the commit of a frozen image that follows has
   * little left to read. What was torn meanwhile is read again, since its stat fields have moved. `little`: it is left
   * to that commit, since storing it apart would only cost an object more; a database that was read whole for the first
   * time under its pin is never little.
   */
  async prepare(image: Image): Promise<'unchanged' | 'little' | 'stored'> {
    await this.#submissions.resolve()
    const { staged, uploads, known } = await this.#stage(image, 'large')
    using engine = staged.engine
    if (this.#parent?.root === chunkIdToHex(staged.root)) {
      await this.#unchanged(staged, this.#parent)
      return 'unchanged'
    }
    await image.release?.()
    const isNewlyPinned = staged.pins.difference(this.#pins).size > 0
    const isLittle = uploads.packs.length === 0 && engine.builder.heldBytes < PREPARED_BYTES_MIN
    if (isLittle && !isNewlyPinned) {
      staged.stager.discard()
      return 'little'
    }
    engine.builder.finish()
    await this.#makeDurable(staged, uploads)
    this.#takeOver(staged)
    known.add(uploads.packs)
    this.#prepared = {
      packs: [...this.#prepared.packs, ...uploads.packs],
      usedPacks: [...this.#prepared.usedPacks, ...staged.usedPacks],
      gcSeen: Math.min(this.#prepared.gcSeen, this.#gcSeen),
    }
    this.#remembered.generation = null
    return 'stored'
  }

  async #stage(
    image: Image,
    scope: HoldScope,
    onProgress?: CommitRequest['onProgress'],
  ): Promise<{ staged: StagedTree; uploads: PackUploads; known: KnownChunks }> {
    if (image.isDoubted) this.#forgetFiles()
    const known = await this.#refreshKnown()
    const named = [...known.source.deltaPacks, ...this.#prepared.packs]
    const uploads = new PackUploads(this.#deps.store, { named, rowBytesMax: this.#deps.packRowBytesMax })
    const staged = await stageTree(
      {
        ...this.#deps,
        known: known.chunks,
        onPack: uploads.put,
        hold: image.holdDatabases,
        onProgress,
      },
      {
        ...this.#remembered,
        session: this.#session(image, known, scope),
        changes: this.#since(image.changes),
        pins: this.#pins,
      },
    )
    return { staged, uploads, known }
  }

  async #commitStaged(
    image: Image,
    request: CommitRequest,
    { staged, uploads, known }: { staged: StagedTree; uploads: PackUploads; known: KnownChunks },
  ): Promise<CommitOutcome> {
    const { notices, ...totals } = staged.stager.totals()
    staged.engine.builder.flush()
    const record = this.#record(image, request, { staged, uploads, known, totals, notices })
    const { id, bytes } = encodeGenerationRecord(record)
    staged.engine.builder.finish(bytes)
    const newPacks = packRows([...this.#prepared.packs, ...uploads.packs])
    const brought = new Set(newPacks.map((pack) => pack.name))
    const commit = commitOf(record, id, {
      newPacks,
      usedPacks: [...staged.usedPacks, ...this.#prepared.usedPacks].filter((name) => !brought.has(name)),
      gcSeen: Math.min(this.#gcSeen, this.#prepared.gcSeen),
    })
    await this.#makeDurable(staged, uploads)
    await this.#submissions.submit({ commit, staged, uploads })
    const { newPacks: _new, usedPacks: _used, gcSeen: _seen, ...row } = commit
    const newBytes = newPacks.reduce((sum, pack) => sum + pack.bytes, 0)
    const generation = { ...row, newBytes, newObjects: newPacks.length, databases: totals.databases, notices }
    return { kind: 'committed', generation }
  }

  #record(
    image: Image,
    request: CommitRequest,
    parts: {
      staged: StagedTree
      uploads: PackUploads
      known: KnownChunks
      totals: { files: number; bytes: number; databases: number }
      notices: readonly Notice[]
    },
  ): GenerationRecord {
    return {
      format: 1,
      ...this.#lease,
      sequence: (this.#parent?.sequence ?? 0) + 1,
      parent: this.#parent?.id ?? null,
      nonce: randomName(this.#deps.randomness),
      createdAt: this.#deps.clock.wallMs(),
      cause: request.cause,
      message: request.message,
      consistency: image.consistency,
      root: chunkIdToHex(parts.staged.root),
      ...parts.totals,
      notices: parts.notices.slice(0, NOTICES_MAX),
      index: parts.known.source,
      packs: packRows([...this.#prepared.packs, ...parts.uploads.packs]),
    }
  }

  async #makeDurable(staged: StagedTree, uploads: PackUploads): Promise<void> {
    try {
      await uploads.durable()
    } catch (error) {
      staged.stager.discard()
      throw error
    }
  }

  #accept({ commit, staged, uploads }: Submission): void {
    this.#takeOver(staged)
    this.#prepared = NOTHING_PREPARED
    this.#remembered.generation = commit.id
    this.#parent = { id: commit.id, sequence: commit.sequence, root: commit.root }
    this.#known?.add(uploads.packs)
  }

  async #unchanged(staged: StagedTree, parent: Parent): Promise<CommitOutcome> {
    this.#takeOver(staged)
    if (this.#prepared.packs.length === 0) this.#remembered.generation = parent.id
    return { kind: 'unchanged', head: await this.#deps.index.generation(parent.id) }
  }

  /** What was staged is what the next image is compared with. */
  #takeOver(staged: StagedTree): void {
    for (const path of this.#remembered.memories.keys()) {
      const directory = staged.stager.changed.get(parentPath(path))
      const isGone = staged.stager.gone.has(parentPath(path))
      if (isGone || (directory && kindIn(directory, baseName(path)) !== 'database'))
        this.#remembered.memories.delete(path)
    }
    staged.stager.accept()
    this.#pins = staged.pins.size > 0 ? this.#pins.union(staged.pins) : this.#pins
    for (const [path, memory] of staged.memories) this.#remembered.memories.set(path, memory)
  }

  /** What was prepared may rely on packs that GC has deleted: every file is read again. */
  #forgetPrepared(): void {
    if (this.#prepared.packs.length === 0) return
    this.#prepared = NOTHING_PREPARED
    this.#known = undefined
    this.#forgetFiles()
  }

  /** Every file is read again. */
  #forgetFiles(): void {
    this.#remembered.state = new TreeState()
    this.#remembered.memories = new Map()
  }

  /** What is stored, as of the GC clock now: read again when packs were condemned or merged since. */
  async #refreshKnown(): Promise<KnownChunks> {
    const { index } = this.#deps
    const clock = await index.gcClock(this.#lease.org)
    const isCurrent =
      clock === this.#gcSeen && this.#known?.isBasedOn(await index.chunkIndex(this.#lease.workspace))
    if (this.#known && isCurrent) return this.#known
    this.#known = await KnownChunks.load({ ...this.#deps, coding: this.#coding }, this.#lease, this.#known)
    this.#known.add(this.#prepared.packs)
    this.#gcSeen = clock
    return this.#known
  }

  /** A change list that starts from another generation than the one remembered says nothing. */
  #since(changes: Changes): Changes {
    const isUsable = changes.kind === 'unknown' || changes.since === this.#remembered.generation
    return isUsable ? changes : { kind: 'unknown' }
  }

  #session(image: Image, known: KnownChunks, scope: HoldScope): StageSession {
    const nowMs = this.#deps.clock.wallMs()
    return {
      sourcePath: image.path,
      lease: this.#lease,
      sealKey: this.#deps.sealKey,
      tables: known.tables,
      deadPacks: known.deadPacks,
      racyFromMs: Math.min(nowMs, image.takenAtMs ?? nowMs) - RACY_MS,
      links: this.#remembered.state.links,
      holdScope: image.holdDatabases ? scope : 'none',
      mayVanish: image.consistency === 'per-database',
    }
  }
}

/** That nothing differs is not said of a directory of which something could not be read. */
function refuseNotCaptured({ stager }: StagedTree): void {
  const notice = stager.totals().notices.find(({ reason }) => reason === 'not-captured')
  if (notice === undefined) return
  const said = `${notice.path} is written all the time and can be neither locked nor frozen`
  throw new Failure('file-unstable', said, { path: notice.path })
}

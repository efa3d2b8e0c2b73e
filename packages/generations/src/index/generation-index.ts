import type { Consistency, GenerationCause } from '@holdfast/protocol/generation'

/** The right to append to one workspace: only an acquire returns one, every append needs one. */
export interface HeldLease {
  readonly org: string
  readonly workspace: string
  /** Grows with each acquire; an append under an older epoch is never applied. */
  readonly epoch: number
}

/** A pack as the index knows it. Names are `<org>/<workspace>/<epoch>/<32 hex digits>` and never come back. */
export interface PackRow {
  readonly name: string
  readonly bytes: number
  /** The pack's hash, 64 hex digits: the SHA-256 in its trailer, which covers the rest through footer and chunk ids. */
  readonly sha256: string
}

/** A part of a history. */
export interface HistoryPage {
  readonly limit: number
  /** Continues a listing. */
  readonly beforeSequence?: number
  /** Only those that can be restored: few, however long the history is. */
  readonly retainedOnly?: boolean
}

/** What an append makes visible. `id` is the hash of the record, so equal ids mean equal commits. */
export interface GenerationCommit {
  readonly id: string
  readonly parent: string | null
  /** 1 for the first generation of a workspace, then parent's + 1. */
  readonly sequence: number
  /** The pack whose footer holds the generation record. */
  readonly recordPack: string
  readonly root: string
  readonly cause: GenerationCause
  readonly message: string
  /** Milliseconds since 1970 by the writer's clock: for people, never for ordering. */
  readonly createdAt: number
  readonly files: number
  readonly bytes: number
  readonly consistency: Consistency
  readonly newPacks: readonly PackRow[]
  /** Packs, other than new ones, that hold a chunk this generation uses and its parent did not. */
  readonly usedPacks: readonly string[]
  /** The GC clock that the writer read before it decided what need not be uploaded. */
  readonly gcSeen: number
}

export interface GenerationRow extends Omit<GenerationCommit, 'newPacks' | 'usedPacks' | 'gcSeen'> {
  readonly workspace: string
  readonly epoch: number
  /** When a restore from the store was last proven equal, milliseconds since 1970; null: never. */
  readonly verifiedAt: number | null
  /** False once retention has dropped it: listed, but no longer restorable. */
  readonly retained: boolean
}

export interface WorkspaceRow {
  readonly id: string
  readonly org: string
  readonly epoch: number
  /** The newest generation; null before the first commit. */
  readonly head: string | null
  readonly forkedFrom: string | null
}

/** Where the chunks of a workspace are found: merged index objects, then the packs committed since. */
export interface ChunkIndexSource {
  readonly baseObjects: readonly string[]
  readonly deltaPacks: readonly PackRow[]
}

/** A replacement of a workspace's merged index, made by compaction. */
export interface IndexReplacement {
  /** The base objects that it was computed from: it comes into force only while they are still the workspace's. */
  readonly replaces: readonly string[]
  /** The merged index from now on. Object names never come back, so equal lists mean the same replacement. */
  readonly baseObjects: readonly string[]
  /** Packs that compaction wrote; they become live with this call. */
  readonly newPacks: readonly PackRow[]
  /** The packs whose chunks `baseObjects` covers: they leave the list of deltas. */
  readonly covered: readonly string[]
  /** The GC clock read before the compaction chose what to copy. */
  readonly gcSeen: number
}

export type PackState = 'live' | 'condemned' | 'deleted'

/**
 * The history: the one place that decides what exists. All methods reject with `index-unavailable` when the
 * database does not answer; a rejected write may have happened, and re-submitting it unchanged is always safe.
 */
export interface GenerationIndex extends AsyncDisposable {
  /** Rejects with `already-exists`. `forkedFrom`: the new workspace finds its chunks where that generation's does. */
  createWorkspace(workspace: {
    readonly id: string
    readonly org: string
    readonly forkedFrom?: string
  }): Promise<void>
  /** Rejects with `not-found`. */
  workspace(id: string): Promise<WorkspaceRow>
  workspaces(org: string): Promise<readonly WorkspaceRow[]>

  /** Takes the next epoch: from its resolution on, no commit under an older epoch is applied. */
  acquire(workspace: string): Promise<HeldLease>

  /**
   * Makes a generation the head, in one transaction. Resolves for a commit that is in the history already.
   * Rejects with `lease-lost` unless `lease.epoch` is current, with `head-moved` unless `parent` is the head (before
   * the first commit of a fork: the fork point) and `sequence` follows it, and with `gc-expired` unless `gcSeen` is
   * at least the boundary and every used pack is live.
   */
  append(lease: HeldLease, commit: GenerationCommit): Promise<void>

  /** Rejects with `not-found`. */
  generation(id: string): Promise<GenerationRow>
  /** Newest first. */
  history(workspace: string, page: HistoryPage): Promise<readonly GenerationRow[]>
  markVerified(id: string, verifiedAt: number): Promise<void>
  /**
   * Marks generations as no longer restorable, all or none. Refuses heads, and the fork points of forks that have no
   * head yet, with `invalid-argument`.
   */
  dropGenerations(ids: readonly string[]): Promise<void>

  /** Where the chunks of a workspace are now; repacking changes it without touching a generation. */
  chunkIndex(workspace: string): Promise<ChunkIndexSource>
  /**
   * Puts a merged index in force. Resolves for one that is in force already. Rejects with `lease-lost` under an old
   * epoch, with `head-moved` unless `replaces` are the base objects now, and with `gc-expired` unless `gcSeen` is at
   * least the boundary.
   */
  replaceIndex(lease: HeldLease, replacement: IndexReplacement): Promise<void>

  /** Counts the condemnations of an org; a writer reads it before it stages and passes it as `gcSeen`. */
  gcClock(org: string): Promise<number>
  packs(
    org: string,
    state: PackState,
  ): Promise<readonly (PackRow & { readonly condemnedAt: number | null })[]>
  /** Live packs → condemned and the clock one on, in one transaction; returns the clock's new value. */
  condemnPacks(org: string, names: readonly string[], condemnedAt: number): Promise<number>
  /** Condemned packs that turned out to be needed → live. */
  reprievePacks(org: string, names: readonly string[]): Promise<void>
  /** Moves the boundary up to `clock`, never down: from then on a writer that saw less must begin again. */
  advanceBoundary(org: string, clock: number): Promise<void>
  /** Condemned packs → deleted; call after the objects are gone. Rejects with `invalid-argument` for one not condemned. */
  forgetPacks(org: string, names: readonly string[]): Promise<void>
}

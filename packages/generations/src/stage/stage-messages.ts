import type { FailureDetails } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import type { ByteString } from '../format/byte-string.ts'
import type { Content } from '../format/content.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import type { HeldLease } from '../index/generation-index.ts'
import type { DatabaseHolds, HoldableDatabase, HoldScope } from '../live-sqlite/database-hold.ts'
import type { NamedChanges } from '../scan/change-feed.ts'
import type { EncodedState } from '../scan/tree-state.ts'
import type { ByteSpan } from './segments.ts'
import type { ToRead } from './stage-meter.ts'

/** What every thread that stages for one commit works with. */
export interface StageSession {
  readonly sourcePath: string
  readonly lease: HeldLease
  readonly sealKey: Uint8Array | null
  /** Encoded chunk tables of everything stored so far. */
  readonly tables: readonly Uint8Array[]
  readonly deadPacks: readonly string[]
  readonly racyFromMs: number
  /** Inode → the number that says which names are one file, where that is not the inode. */
  readonly links: ReadonlyMap<number, number>
  /** Which databases are named before they are read, so that they can be held. */
  readonly holdScope: HoldScope
  /** True if writers run on while the source is read: a name may go between its listing and its reading. */
  readonly mayVanish: boolean
}

/** A file whose segments are read by several threads. */
export interface LargeFile {
  readonly path: ByteString
  readonly bytes: number
  readonly mtimeMs: number
}

export interface PreparedFile extends LargeFile {
  readonly content: Content
}

/** `inFlight`: how many packs of the thread are on their way into the store, and 1 once one could not be stored. */
export type StageRequest =
  | { readonly kind: 'open'; readonly session: StageSession; readonly inFlight: Int32Array }
  | {
      readonly kind: 'survey'
      readonly top: ByteString
      readonly flat: boolean
      readonly named?: NamedChanges
      readonly states: readonly EncodedState[]
      readonly memories: readonly EncodedState[]
    }
  | { readonly kind: 'segment'; readonly path: ByteString; readonly span: ByteSpan }
  | {
      readonly kind: 'build'
      readonly top: ByteString
      readonly prepared: readonly PreparedFile[]
      readonly holds: DatabaseHolds
    }
  | { readonly kind: 'close' }

export interface SurveyReply {
  readonly toRead: ToRead
  readonly large: readonly LargeFile[]
  readonly databases: readonly HoldableDatabase[]
}

export interface SegmentReply {
  /** Undefined: the file ended inside the segment. */
  readonly parts: Content | undefined
}

export interface BuildReply {
  readonly changed: readonly EncodedState[]
  readonly gone: readonly ByteString[]
  /** What the databases among them leave for the next commit. */
  readonly memories: readonly EncodedState[]
}

export interface CloseReply {
  readonly usedPacks: readonly string[]
}

export type StageMessage =
  | { readonly kind: 'reply'; readonly reply: SurveyReply | SegmentReply | BuildReply | CloseReply | null }
  | { readonly kind: 'pack'; readonly pack: BuiltPack }
  | {
      readonly kind: 'failed'
      readonly code: FailureCode
      readonly message: string
      readonly details: FailureDetails
    }

/** A file from this size on is read by several threads. */
export const LARGE_FILE_BYTES_MIN = 32 << 20
/** Packs that a thread may have built and not yet seen stored: bounds memory at 64 MiB a thread. */
export const PACKS_IN_FLIGHT_MAX = 4

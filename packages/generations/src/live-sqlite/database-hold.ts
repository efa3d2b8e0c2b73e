import type { ByteString } from '../format/byte-string.ts'
import type { ByteSpan } from '../stage/segments.ts'

/** A database that is about to be read while others may write it, or whose main file is too large to read whole. */
export interface HoldableDatabase {
  /** Relative to the image. */
  readonly path: ByteString
  readonly bytes: number
  readonly journal: 'wal' | 'rollback'
}

/**
 * Which databases of an image are held before they are read. `large`: those that keep a WAL and are too large to be
 * read whole each time. `all`: also those that others may write meanwhile.
 */
export type HoldScope = 'none' | 'large' | 'all'

/** What is known of a database until the image is released; for one of which nothing is said, nothing is known. */
export type DatabaseHold =
  /** Since captures under the same pin, the main file has changed in nothing but `changed` and pages of its WAL. */
  | {
      readonly kind: 'pinned'
      readonly pin: string
      /** Of the main file: another one in its place is not pinned. */
      readonly inode: number
      readonly changed: readonly ByteSpan[]
    }
  /** What its next reader would see does not change. */
  | { readonly kind: 'locked' }
  /** Somebody writes it and lets nobody else near: its bytes are of no one instant. */
  | { readonly kind: 'busy' }

export type DatabaseHolds = ReadonlyMap<ByteString, DatabaseHold>

/** Holds databases until the image that they belong to is released. */
export type HoldDatabases = (databases: readonly HoldableDatabase[]) => Promise<DatabaseHolds>

/** From this size on a database is pinned between captures: smaller ones are read whole in some milliseconds. */
export const LARGE_DATABASE_BYTES_MIN = 16 << 20

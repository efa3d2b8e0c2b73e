import type { ByteString } from '../format/byte-string.ts'
import type { ByteSpan } from '../stage/segments.ts'

/** What differs between a capture and the last one that was committed. */
export type Changes =
  /** Nobody knows: every directory is surveyed. */
  | { readonly kind: 'unknown' }
  | ListedChanges

export interface ListedChanges {
  readonly kind: 'listed'
  /** Directories in which a name came, went or changed. */
  readonly directories: ReadonlySet<ByteString>
  /** Directories that are surveyed with all that is in them. */
  readonly replaced: ReadonlySet<ByteString>
  /** Ranges that may differ in files that kept their identity; a changed file that is not named is read whole. */
  readonly files: ReadonlyMap<ByteString, readonly ByteSpan[]>
  /** Directories that were renamed with their contents: new path → old path. */
  readonly moved: ReadonlyMap<ByteString, ByteString>
  /** Directories, by their old path, that exist no more. */
  readonly removed: ReadonlySet<ByteString>
}

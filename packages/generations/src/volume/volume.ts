import type { ByteString } from '../format/byte-string.ts'
import type { ByteSpan } from '../stage/segments.ts'

/** What differs between a capture and the last one that was committed. */
export type Changes =
  /** Nobody knows: every directory is surveyed. */
  { readonly kind: 'unknown' } | ListedChanges

export interface ListedChanges {
  readonly kind: 'listed'
  /** Directories in which a name came, went or changed. */
  readonly directories: ReadonlySet<ByteString>
  /** Directories that are surveyed with all that is in them. */
  readonly replaced: ReadonlySet<ByteString>
  /** Ranges that may differ in files that kept their identity; a changed file that is not named is read whole. */
  readonly files: ReadonlyMap<ByteString, readonly ByteSpan[]>
  /** Directories, by their old path, that exist no more. */
  readonly removed: ReadonlySet<ByteString>
}

/** A directory that nobody changes while it is read, and what differs in it from the last commit. */
export interface Image {
  readonly path: string
  readonly changes: Changes
  readonly consistency: 'cut' | 'per-database'
  /** Called once every byte has been read: the writers of the directory may go on. */
  readonly release?: () => Promise<void>
}

/** A directory as it was at one instant, readable until it is disposed of. */
export interface Capture extends AsyncDisposable {
  readonly image: Image
  /** How long the writers stood still, as far as it is known when the capture exists; 0 for writers that never stop. */
  readonly frozenMs: number
  /** The generation made of this capture holds: later captures are compared with this one. */
  accept(generation: string): Promise<void>
}

/** Stops and continues everything that writes a directory. */
export interface Freezer {
  /** For the native helper: what to freeze. Both empty: nothing can be frozen. */
  readonly cgroups: readonly ByteString[]
  readonly pids: () => readonly number[]
}

/** Where a workspace's directory lives and how its instants are taken. */
export interface Volume extends AsyncDisposable {
  readonly kind: 'live' | 'btrfs'
  /** The directory that writers use. */
  readonly path: string
  /**
   * Takes a capture; with a freezer the image is one cut. Rejects with `volume-full`, `source-failed` or
   * `unsupported-here`; the writers run on whatever happens.
   */
  capture(freezer: Freezer | null): Promise<Capture>
}

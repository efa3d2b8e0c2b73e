import type { Consistency } from '@holdfast/protocol/generation'
import type { ByteString } from '../format/byte-string.ts'
import type { HoldDatabases } from '../live-sqlite/database-hold.ts'
import type { ChangedBytes } from '../scan/change-feed.ts'

/** What differs between a capture and the last one that was committed. */
export type Changes =
  /** Nobody knows: every directory is surveyed. */
  { readonly kind: 'unknown' } | ListedChanges

export interface ListedChanges {
  readonly kind: 'listed'
  /** The generation that the list starts from: with another one as parent, nothing is known. */
  readonly since: string
  /** Directories in which a name came, went or changed, or whose own attributes did. */
  readonly directories: ReadonlySet<ByteString>
  /**
   * Files and links that differ, whatever their stat fields say, with the ranges that may differ from the file that was
   * in the same place. A file that is not listed is what it was.
   */
  readonly files: ReadonlyMap<ByteString, ChangedBytes>
  /** Directories that are not where they were: new path → old path. What is below is where it was in them. */
  readonly moved: ReadonlyMap<ByteString, ByteString>
}

/** True if a list says that nothing differs. */
export function isEmpty({ directories, files, moved }: ListedChanges): boolean {
  return directories.size + files.size + moved.size === 0
}

/** True if they say that nothing differs from a generation: what was captured with it serves as well. */
export function isNothingSince(changes: Changes, generation: string): boolean {
  return changes.kind === 'listed' && changes.since === generation && isEmpty(changes)
}

/** A directory that nobody changes while it is read, and what differs in it from the last commit. */
export interface Image {
  readonly path: string
  readonly changes: Changes
  readonly consistency: Consistency
  /** When it was cut, by the wall clock, if its writers run on while it is read; absent: they stand still until then. */
  readonly takenAtMs?: number
  /** True where what was remembered of the directory does not count: every file is read. */
  readonly isDoubted?: boolean
  /** Called for databases that are about to be read; absent where nothing may write them and nothing is watched. */
  readonly holdDatabases?: HoldDatabases
  /**
   * Called once every byte has been read: the writers of the directory may go on. Rejects with `file-unstable` when
   * what was held did not hold.
   */
  readonly release?: () => Promise<void>
}

/** A directory as it was at one instant, readable until it is disposed of. */
export interface Capture extends AsyncDisposable {
  readonly image: Image
  /** How long the writers have stood still for it: final once the image is released, 0 for writers that never stop. */
  readonly frozenMs: number
  /**
   * The generation made of this capture, or found equal to it, holds: later captures are compared with this one.
   * `keep`: it is a checkpoint, which newer generations do not push out of local storage.
   */
  accept(generation: string, options?: { readonly keep?: boolean }): Promise<void>
}

/** Names everything that writes a directory; `Freeze` stops and continues it. */
export interface Freezer {
  /** Directories of freezer cgroups that exist now, with all that is in them. */
  readonly cgroups: readonly ByteString[]
  /** Processes outside of these that run now. Those stopped so far leave the list: it is read until it is empty. */
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

/** A snapshot on the same disk. */
export interface SnapshotPath {
  readonly path: string
  /** By the wall clock. */
  readonly takenAtMs: number
}

/** A local snapshot that equals a generation: what a fork begins with. */
export interface VolumeOrigin {
  readonly path: string
  readonly generation: string
}

import { lstatSync, type Stats } from 'node:fs'
import { errnoOf } from '@holdfast/base/errno'
import { type ChangeList, changedRanges, type FileChange } from '../btrfs/change-list.ts'
import { type ByteString, baseName, joinPath, parentPath } from '../format/byte-string.ts'
import { type ChangedBytes, ChangeFeed } from '../scan/change-feed.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import { sourceFailure } from '../scan/survey.ts'
import type { ListedChanges } from './volume.ts'

export interface ComparedSnapshots {
  readonly before: string
  readonly after: string
  /** The generation that `before` equals. */
  readonly since: string
}

/**
 * A btrfs change list as a commit takes it. What the list leaves open is looked up in both snapshots: what a name is,
 * whether it exists at all, how large a file was, and whether it has, or had, other names.
 */
export function listedChanges(changes: ChangeList, snapshots: ComparedSnapshots): ListedChanges {
  using before = new SourceDirectory(snapshots.before)
  using after = new SourceDirectory(snapshots.after)
  return new ChangeTranslation(changes, before, after).run(snapshots.since)
}

class ChangeTranslation {
  readonly #changes: ChangeList
  readonly #before: SourceDirectory
  readonly #after: SourceDirectory
  readonly #directories = new Set<ByteString>()
  readonly #files = new Map<ByteString, ChangedBytes>()
  readonly #moved = new Map<ByteString, ByteString>()

  constructor(changes: ChangeList, before: SourceDirectory, after: SourceDirectory) {
    this.#changes = changes
    this.#before = before
    this.#after = after
  }

  run(since: string): ListedChanges {
    for (const path of this.#changes.dirtyDirectories) this.#addDirectory(path)
    for (const [path, previousPath] of this.#changes.movedDirectories) {
      if (this.#isDirectory(path)) this.#moved.set(path, previousPath)
    }
    const feed = new ChangeFeed({ directories: new Set(), files: new Map(), moved: this.#moved })
    for (const [path, change] of this.#changes.files) this.#addFile(path, change, feed)
    for (const path of this.#changes.created) this.#addCreated(path)
    return {
      kind: 'listed',
      since,
      directories: this.#directories,
      files: this.#files,
      moved: this.#moved,
    }
  }

  /** The entry of a directory, with its attributes, stands in the directory above it. */
  #addDirectory(path: ByteString): void {
    if (!this.#isDirectory(path)) return
    this.#directories.add(path)
    if (path !== '') this.#directories.add(parentPath(path))
  }

  #addFile(path: ByteString, change: FileChange, feed: ChangeFeed): void {
    const stats = statOf(this.#after, path)
    if (stats === undefined || stats.isDirectory()) return
    const place = joinPath(feed.previousPath(parentPath(path)), baseName(path))
    this.#files.set(path, this.#changedBytes(change, stats, place))
  }

  /** `place`: where a commit looks for the file's previous version. */
  #changedBytes(change: FileChange, stats: Stats, place: ByteString): ChangedBytes {
    if (change.created || change.previousPath !== place || !stats.isFile() || stats.nlink > 1) return 'all'
    const old = statOf(this.#before, place)
    if (old === undefined || old.nlink > 1 || old.ino !== stats.ino) return 'all'
    return changedRanges(change, { oldSizeBytes: old.size, newSizeBytes: stats.size })
  }

  #addCreated(path: ByteString): void {
    if (!this.#files.has(path) && !this.#isDirectory(path)) this.#files.set(path, 'all')
  }

  #isDirectory(path: ByteString): boolean {
    return statOf(this.#after, path)?.isDirectory() ?? false
  }
}

/** Undefined for what does not exist: a list may name the temporary place of something that is gone. */
function statOf(source: SourceDirectory, path: ByteString): Stats | undefined {
  try {
    return lstatSync(source.resolve(path), { throwIfNoEntry: false })
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return undefined
    throw sourceFailure(error, path, 'stat')
  }
}

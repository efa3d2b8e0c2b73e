import { ByteRanges, type ByteSpan } from './byte-ranges.ts'
import { type ChangeTree, type Inode, pathBelow, unmovedPath } from './change-tree.ts'
import type { BytePath } from './send-stream.ts'

/** How one file of the new snapshot differs from its previous version. */
export interface FileChange {
  /** True if there is no previous version: then every byte outside of `ranges` is zero. */
  readonly created: boolean
  /** A path of the same inode in the old snapshot; absent exactly when `created`. */
  readonly previousPath?: BytePath
  /** What the stream says, sorted and disjoint; `changedRanges` makes it complete. */
  readonly ranges: readonly ByteSpan[]
  /** True if size and content equal those of the previous version. */
  readonly attributesOnly: boolean
}

/**
 * The bytes below `newSizeBytes` that may differ from the previous version; all others equal it, or are zero if the
 * file was created. Bytes beyond the old size always count as changed: Linux leaves an extent out that both
 * snapshots share, although the old one ends inside it and so hides bytes that the new one shows (a file is cloned,
 * truncated within a block, and the clone is cloned back).
 */
export function changedRanges(
  change: FileChange,
  { oldSizeBytes, newSizeBytes }: { readonly oldSizeBytes: number; readonly newSizeBytes: number },
): readonly ByteSpan[] {
  const ranges = ByteRanges.of(change.ranges)
  const grown = change.created ? ranges : ranges.add({ start: oldSizeBytes, end: newSizeBytes })
  return grown.truncate(newSizeBytes).toArray()
}

/**
 * The difference between two snapshots. All paths are of the new snapshot, except where they are called old.
 *
 * A stream does not tell everything. Its reader must know that
 * - of an old inode that is only renamed, or changed in its attributes, the stream may not tell the kind. Such a path
 *   is in `files`, and if renamed also in `movedDirectories`, if changed also in `dirtyDirectories`: lstat decides;
 * - without `namesOf`, a file that has several names is listed under some of them, and each of these may miss what
 *   another one tells. All changes listed for one inode hold for all of its names, in directories that need not be
 *   listed here;
 * - a listed path `o<number>-<number>-<number>` may not exist: Linux 6.18 sets the times of a removed directory under
 *   such a name if the new snapshot uses its inode number for something else;
 * - nested subvolumes are left out. A directory whose inode number is 2 stands for one: it is empty and has no
 *   previous version.
 */
export interface ChangeList {
  readonly kind: 'changes'
  /** Directories of which the entries, an entry's attributes or content, or the own attributes may differ. */
  readonly dirtyDirectories: ReadonlySet<BytePath>
  /** Files that are new, or that have another path, other attributes or other content than before. */
  readonly files: ReadonlyMap<BytePath, FileChange>
  /** New path → old path, of directories that are not where their parent directory had them before. */
  readonly movedDirectories: ReadonlyMap<BytePath, BytePath>
  /** Files, directories and all else that has no previous version, even where the path existed before. */
  readonly created: ReadonlySet<BytePath>
  /** Old paths at which nothing is any more; one of a directory stands for everything below it. */
  readonly removed: ReadonlySet<BytePath>
}

/**
 * Where the entry at `path` of the new snapshot was in the old one, itself or by a directory above it that moved;
 * undefined if it has no previous version. Meaningful for paths that exist.
 */
export function previousPathOf(changes: ChangeList, path: BytePath): BytePath | undefined {
  const listed = changes.files.get(path)
  if (listed !== undefined) return listed.previousPath
  for (let top = path; top !== ''; top = top.slice(0, Math.max(0, top.lastIndexOf('/')))) {
    if (changes.created.has(top)) return undefined
    const before = changes.movedDirectories.get(top)
    if (before !== undefined) return before + path.slice(top.length)
  }
  return path
}

interface Lists {
  readonly dirtyDirectories: Set<BytePath>
  readonly files: Map<BytePath, FileChange>
  readonly movedDirectories: Map<BytePath, BytePath>
  readonly created: Set<BytePath>
}

export interface PathLimits {
  readonly pathBytesMax: number
  readonly pathBytesSumMax: number
}

/** What `tree` shows; undefined if its paths exceed `limits`. */
export function listChanges(tree: ChangeTree, limits: PathLimits): ChangeList | undefined {
  const lists: Lists = {
    dirtyDirectories: new Set(),
    files: new Map(),
    movedDirectories: new Map(),
    created: new Set(),
  }
  if (tree.root.entriesChanged || tree.root.attributesChanged) lists.dirtyDirectories.add('')
  const open: { readonly directory: Inode; readonly path: BytePath }[] = [{ directory: tree.root, path: '' }]
  let pathBytesSum = 0
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const [name, inode] of next.directory.entries) {
      if (inode === undefined) continue
      const path = pathBelow(next.path, name)
      pathBytesSum += path.length
      if (path.length > limits.pathBytesMax || pathBytesSum > limits.pathBytesSumMax) {
        return undefined
      }
      const unmoved = unmovedPath(inode, next.directory, name)
      if (list(lists, { path, inode, unmoved })) lists.dirtyDirectories.add(next.path)
      if (inode.entries.size > 0) open.push({ directory: inode, path })
    }
  }
  const removed = new Set(tree.vacated.filter((path) => isGone(tree.root, path)))
  return { kind: 'changes', ...lists, removed }
}

interface ListedEntry {
  readonly path: BytePath
  readonly inode: Inode
  /** The entry's own path in the old snapshot, if it was there. */
  readonly unmoved: BytePath | undefined
}

/** Puts an entry on the lists it belongs to; true if it may differ from an entry of the old snapshot. */
function list(lists: Lists, entry: ListedEntry): boolean {
  const { path, inode, unmoved } = entry
  const previousPath = unmoved ?? inode.oldPaths[0]
  if (previousPath === undefined) lists.created.add(path)
  if (inode.kind === 'directory' || inode.kind === 'unknown') {
    if (unmoved === undefined && previousPath !== undefined) lists.movedDirectories.set(path, previousPath)
    if (previousPath === undefined || inode.entriesChanged || inode.attributesChanged) {
      lists.dirtyDirectories.add(path)
    }
  }
  const changed = unmoved === undefined || inode.attributesChanged || inode.edits !== undefined
  if (changed && (inode.kind === 'file' || inode.kind === 'unknown')) {
    lists.files.set(path, fileChange(inode, previousPath))
  }
  return changed
}

function fileChange(inode: Inode, previousPath: BytePath | undefined): FileChange {
  const ranges = inode.edits?.ranges().toArray() ?? []
  if (previousPath === undefined) return { created: true, ranges, attributesOnly: false }
  return { created: false, previousPath, ranges, attributesOnly: inode.edits === undefined }
}

/** True if the tree proves that nothing is at the old path `path` any more. */
function isGone(root: Inode, path: BytePath): boolean {
  let inode = root
  for (const name of path.split('/')) {
    const entry = inode.entries.get(name)
    if (entry === undefined) return inode.entries.has(name) || inode.oldPaths.length === 0
    inode = entry
  }
  return false
}

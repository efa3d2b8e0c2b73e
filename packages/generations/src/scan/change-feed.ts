import { type ByteString, parentPath } from '../format/byte-string.ts'
import type { ByteSpan } from '../stage/segments.ts'

/** The bytes of a file that may differ; `all`: nobody knows which. */
export type ChangedBytes = readonly ByteSpan[] | 'all'

export interface NamedChanges {
  readonly directories: ReadonlySet<ByteString>
  readonly files: ReadonlyMap<ByteString, ChangedBytes>
  readonly moved: ReadonlyMap<ByteString, ByteString>
}

/** What a change feed says about names: one that it does not name is what it was. */
export class ChangeFeed {
  readonly #directories: ReadonlySet<ByteString>
  readonly #files: Map<ByteString, ChangedBytes>
  readonly #moved: ReadonlyMap<ByteString, ByteString>

  constructor(changes: NamedChanges) {
    this.#directories = changes.directories
    this.#files = new Map(changes.files)
    this.#moved = changes.moved
  }

  /** True for a name that counts as changed even if its stat fields stand: two writes may share a tick of the clock. */
  isNamed(path: ByteString): boolean {
    return this.#files.has(path) || this.#directories.has(path)
  }

  /** Names a file that the feed does not: another name of one that it does. */
  name(path: ByteString): void {
    this.#files.set(path, 'all')
  }

  /** The ranges that may differ in a file that is where it was; undefined: all of it, as far as it changed at all. */
  rangesOf(path: ByteString): readonly ByteSpan[] | undefined {
    const changed = this.#files.get(path)
    return changed === 'all' ? undefined : changed
  }

  /** Where a directory was, itself or with a directory above it. */
  previousPath(path: ByteString): ByteString {
    if (this.#moved.size === 0) return path
    for (let top = path; top !== ''; top = parentPath(top)) {
      const before = this.#moved.get(top)
      if (before !== undefined) return before + path.slice(top.length)
    }
    return path
  }

  /** What it says about names, by directory: to be sent to other threads in parts. */
  byDirectory(): ReadonlyMap<ByteString, NamedChanges> {
    const parts = new Map<ByteString, NamedPart>()
    const partOf = (path: ByteString) => {
      const directory = parentPath(path)
      const part = parts.get(directory) ?? { directories: new Set(), files: new Map(), moved: new Map() }
      parts.set(directory, part)
      return part
    }
    for (const path of this.#directories) if (path !== '') partOf(path).directories.add(path)
    for (const [path, changed] of this.#files) partOf(path).files.set(path, changed)
    return parts
  }
}

interface NamedPart extends NamedChanges {
  readonly directories: Set<ByteString>
  readonly files: Map<ByteString, ChangedBytes>
}

import { type BigIntStats, lstatSync, readlinkSync } from 'node:fs'
import { ByteReader } from '../format/byte-reader.ts'
import { type ByteString, joinPath, toText } from '../format/byte-string.ts'
import { CHUNK_ID_BYTES, type ChunkId } from '../format/chunk-id.ts'
import {
  type Attributes,
  type DatabaseEntry,
  type Entry,
  kindOfEntry,
  readEntry,
  type Xattr,
} from '../format/entry.ts'
import type { Notice } from '../format/generation-record.ts'
import { encodeDirectory, encodeEntry, type RawEntry } from '../format/tree-node.ts'
import { type DirectoryState, type DirectoryTotals, entryOf, packEntries } from '../scan/directory-state.ts'
import type { SourceDirectory } from '../scan/source-directory.ts'
import { type SurveyedDirectory, type SurveyedName, sourceFailure } from '../scan/survey.ts'
import type { ChunkSink } from './chunk-sink.ts'
import type { DatabaseStager } from './database-stager.ts'
import type { FileStager } from './file-stager.ts'
import type { ByteSpan } from './segments.ts'

/** What only the native helper can tell of a changed name. */
export interface FetchedAttributes {
  readonly xattrs: readonly Xattr[]
  /** Data spans of a file with holes. */
  readonly spans?: readonly ByteSpan[]
}

export interface BuildDeps {
  readonly source: SourceDirectory
  readonly sink: ChunkSink
  readonly files: FileStager
  readonly databases: DatabaseStager
  readonly fetched: ReadonlyMap<ByteString, FetchedAttributes>
  /** Byte ranges that a change feed names for a file; undefined: all of it may have changed. */
  readonly changedRanges: (path: ByteString) => readonly ByteSpan[] | undefined
}

/**
 * Turns the names of one surveyed directory into entries. `nodeOf` gives the node of each subdirectory; where these
 * are not known yet it gives `UNLINKED`, and `linkDirectory` puts them in.
 */
export function buildEntries(
  deps: BuildDeps,
  surveyed: SurveyedDirectory,
  nodeOf: (path: ByteString) => ChunkId,
): Omit<DirectoryState, 'node'> {
  return new DirectoryBuild(deps, surveyed).entries(nodeOf)
}

/** Stands for the node of a directory that is staged elsewhere. */
export const UNLINKED: ChunkId = '\0'.repeat(CHUNK_ID_BYTES)

/** Encodes the directory, with `nodeOf` for the subdirectories that it names; others keep theirs. */
export function linkDirectory(
  sink: ChunkSink,
  directory: Omit<DirectoryState, 'node'>,
  nodeOf: (name: ByteString) => ChunkId | undefined,
): DirectoryState {
  const entries = directory.names.map((_, index) => linked(entryOf(directory, index), nodeOf))
  const encoded = encodeDirectory(entries.filter((entry) => entry !== undefined))
  for (const node of encoded.nodes) sink.putNode(node)
  return { ...directory, ...packEntries(entries), node: encoded.id }
}

function linked(
  raw: RawEntry | undefined,
  nodeOf: (name: ByteString) => ChunkId | undefined,
): RawEntry | undefined {
  if (raw === undefined || kindOfEntry(raw) !== 'directory') return raw
  const node = nodeOf(raw.name)
  const entry = decodeEntry(raw)
  return node === undefined || entry.kind !== 'directory' || entry.node === node
    ? raw
    : encodeEntry({ ...entry, node })
}

class DirectoryBuild {
  readonly #deps: BuildDeps
  readonly #surveyed: SurveyedDirectory
  readonly #notices: Notice[] = []
  /** Names in this directory that turned out to be databases. */
  readonly #databases = new Set<ByteString>()

  constructor(deps: BuildDeps, surveyed: SurveyedDirectory) {
    this.#deps = deps
    this.#surveyed = surveyed
  }

  entries(nodeOf: (path: ByteString) => ChunkId): Omit<DirectoryState, 'node'> {
    const { names, stats } = this.#surveyed
    const entries: (RawEntry | undefined)[] = new Array(names.length).fill(undefined)
    for (const index of this.#readingOrder()) entries[index] = this.#entry(index, nodeOf)
    return {
      names: names.map(({ name }) => name),
      stats,
      ...packEntries(entries),
      totals: totalsOf(names, entries),
      notices: this.#notices,
    }
  }

  /** Positions of the names: files of one extension together, since they compress together, companions last. */
  #readingOrder(): number[] {
    const { names } = this.#surveyed
    const order = names.map((_, index) => index)
    const keys = names.map(({ name }) =>
      isCompanion(name) ? '\uffff' : name.slice(name.lastIndexOf('.') + 1),
    )
    return order.sort((a, b) => compare(keys[a] ?? '', keys[b] ?? '') || a - b)
  }

  #entry(index: number, nodeOf: (path: ByteString) => ChunkId): RawEntry | undefined {
    const found = this.#surveyed.names[index]
    if (found === undefined) return undefined
    const previous = this.#previousEntry(index)
    const path = joinPath(this.#surveyed.path, found.name)
    switch (found.kind) {
      case 'directory':
        return this.#directory(found, path, { node: nodeOf(path), previous })
      case 'symlink':
        return found.changed || !previous ? this.#symlink(found, path) : previous
      case 'file':
        return this.#file(found, path, previous)
      case 'fifo':
        return this.#skip(path, 'fifo-skipped')
      case 'socket':
        return this.#skip(path, 'socket-skipped')
    }
  }

  #previousEntry(index: number): RawEntry | undefined {
    const { previous, previousIndex } = this.#surveyed
    const at = previousIndex[index] ?? -1
    return previous && at >= 0 ? entryOf(previous, at) : undefined
  }

  #directory(
    found: SurveyedName,
    path: ByteString,
    now: { node: ChunkId; previous: RawEntry | undefined },
  ): RawEntry {
    if (!found.changed && now.previous) {
      const entry = decodeEntry(now.previous)
      if (entry.kind === 'directory')
        return entry.node === now.node ? now.previous : encodeEntry({ ...entry, node: now.node })
    }
    const attributes = this.#attributes(path, this.#statExactly(path))
    return encodeEntry({ kind: 'directory', name: found.name, attributes, node: now.node })
  }

  #symlink(found: SurveyedName, path: ByteString): RawEntry {
    const stats = this.#statExactly(path)
    const target = readLink(this.#deps.source, path)
    return encodeEntry({ kind: 'symlink', name: found.name, attributes: attributesOf(stats, []), target })
  }

  #file(found: SurveyedName, path: ByteString, previous: RawEntry | undefined): RawEntry | undefined {
    if (isCompanion(found.name) && this.#databases.has(found.name.slice(0, -4))) return undefined
    const database = this.#database(found, path, previous)
    if (database) {
      this.#databases.add(found.name)
      return database
    }
    return !found.changed && previous && kindOfEntry(previous) === 'file'
      ? previous
      : this.#plainFile(found, path, previous)
  }

  /** The entry of a SQLite database, which is its file and its WAL together; undefined for any other file. */
  #database(found: SurveyedName, path: ByteString, previous: RawEntry | undefined): RawEntry | undefined {
    const wal = this.#surveyed.names.find(({ name }) => name === `${found.name}-wal`)
    const known = previous !== undefined && kindOfEntry(previous) === 'database'
    if (
      known &&
      !found.changed &&
      !wal?.changed &&
      (wal !== undefined) === this.#knewName(`${found.name}-wal`)
    ) {
      return previous
    }
    if (!known && !found.changed && !wal?.changed) return undefined
    const staged = this.#deps.databases.stage({
      path,
      hasWal: wal !== undefined,
      previous: known ? decodeDatabase(previous) : undefined,
      changed: this.#deps.changedRanges(path),
    })
    return (
      staged &&
      encodeEntry({ ...staged.state, name: found.name, attributes: this.#attributes(path, staged.stats) })
    )
  }

  #knewName(name: ByteString): boolean {
    return this.#surveyed.previous?.names.includes(name) ?? false
  }

  #plainFile(found: SurveyedName, path: ByteString, previous: RawEntry | undefined): RawEntry {
    const before = previous && decodeEntry(previous)
    const changed = this.#deps.changedRanges(path)
    const staged = this.#deps.files.stage({
      path,
      spans: this.#deps.fetched.get(path)?.spans,
      previous: before?.kind === 'file' && changed ? { content: before.content, changed } : undefined,
    })
    if (staged.appended) this.#notices.push({ path: toText(path), reason: 'appended-while-read' })
    const attributes = this.#attributes(path, staged.stats)
    const link = staged.stats.nlink > 1n ? Number(staged.stats.ino) : 0
    return encodeEntry({ kind: 'file', name: found.name, attributes, link, content: staged.content })
  }

  #skip(path: ByteString, reason: Notice['reason']): undefined {
    this.#notices.push({ path: toText(path), reason })
  }

  #attributes(path: ByteString, stats: BigIntStats): Attributes {
    return attributesOf(stats, this.#deps.fetched.get(path)?.xattrs ?? [])
  }

  #statExactly(path: ByteString): BigIntStats {
    return statExactly(this.#deps.source, path)
  }
}

/** The stat fields with nanoseconds, of the name itself. Rejects like every read of the source. */
export function statExactly(source: SourceDirectory, path: ByteString): BigIntStats {
  try {
    return lstatSync(source.resolve(path), { bigint: true })
  } catch (error) {
    throw sourceFailure(error, path, 'stat')
  }
}

function readLink(source: SourceDirectory, path: ByteString): ByteString {
  try {
    return readlinkSync(source.resolve(path), 'latin1')
  } catch (error) {
    throw sourceFailure(error, path, 'read the link')
  }
}

export function attributesOf(stats: BigIntStats, xattrs: readonly Xattr[]): Attributes {
  return {
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeNs: stats.mtimeNs,
    xattrs,
  }
}

export function decodeEntry(raw: RawEntry): Entry {
  return readEntry(new ByteReader(raw.bytes, 'entry'))
}

function decodeDatabase(raw: RawEntry): DatabaseEntry | undefined {
  const entry = decodeEntry(raw)
  return entry.kind === 'database' ? entry : undefined
}

/** A WAL or shared-memory file beside a database of the name without its last four chars. */
function isCompanion(name: ByteString): boolean {
  return name.endsWith('-wal') || name.endsWith('-shm')
}

function totalsOf(
  names: readonly SurveyedName[],
  entries: readonly (RawEntry | undefined)[],
): DirectoryTotals {
  let files = 0
  let bytes = 0
  let databases = 0
  names.forEach(({ kind, stats }, index) => {
    const entry = entries[index]
    if (kind !== 'file' || entry === undefined) return
    files++
    bytes += stats.size
    if (kindOfEntry(entry) === 'database') databases++
  })
  return { files, bytes, databases }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

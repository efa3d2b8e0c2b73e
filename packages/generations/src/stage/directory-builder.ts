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
import type { ChangeFeed } from '../scan/change-feed.ts'
import {
  type DirectoryState,
  type DirectoryTotals,
  entryOf,
  packEntries,
  STAT_FIELDS,
} from '../scan/directory-state.ts'
import { inodeNumber } from '../scan/link-ids.ts'
import type { SourceDirectory } from '../scan/source-directory.ts'
import { isGone, type SurveyedDirectory, sourceFailure } from '../scan/survey.ts'
import type { ChunkSink } from './chunk-sink.ts'
import type { DatabaseStager } from './database-stager.ts'
import type { FileStager, StagedFile } from './file-stager.ts'
import type { ByteSpan } from './segments.ts'

/** What only the native helper can tell of a changed name. */
export interface FetchedAttributes {
  readonly xattrs: readonly Xattr[]
  /** Data spans of a file with holes. */
  readonly spans?: readonly ByteSpan[]
  /** The name was there when it was listed, and is no more. */
  readonly gone?: true
}

export interface BuildDeps {
  readonly source: SourceDirectory
  readonly sink: ChunkSink
  readonly files: FileStager
  readonly databases: DatabaseStager
  readonly fetched: ReadonlyMap<ByteString, FetchedAttributes>
  /** What is known to have changed; absent: nothing is known but what stat fields tell. */
  readonly feed: ChangeFeed | undefined
  /** The number that says which names are one file, for an inode with several names. */
  readonly linkOf: (inode: number) => number
  /** True if writers run on: a name that has gone since it was listed gets no entry, instead of failing the build. */
  readonly mayVanish: boolean
}

const WHITEOUT_ATTRIBUTE = 'user.overlay.whiteout'

/**
 * Turns the names of one surveyed directory into entries. `nodeOf` gives the node of each subdirectory, undefined for
 * one that is gone; where these are not known yet it gives `UNLINKED`, and `linkDirectory` puts them in.
 */
export function buildEntries(
  deps: BuildDeps,
  surveyed: SurveyedDirectory,
  nodeOf: (path: ByteString) => ChunkId | undefined,
): Omit<DirectoryState, 'node'> {
  return new DirectoryBuild(deps, surveyed).entries(nodeOf)
}

/** Stands for the node of a directory that is staged elsewhere. */
export const UNLINKED: ChunkId = '\0'.repeat(CHUNK_ID_BYTES)

/** The node of a subdirectory; `kept`: it is the one that the entry has; `gone`: there is no such subdirectory now. */
export type LinkTarget = { readonly node: ChunkId } | 'kept' | 'gone'

/** Encodes the directory, with `targetOf` for the subdirectories that it names. */
export function linkDirectory(
  sink: ChunkSink,
  directory: Omit<DirectoryState, 'node'>,
  targetOf: (name: ByteString) => LinkTarget,
): DirectoryState {
  const gone: number[] = []
  const entries = directory.names.map((_, index) => {
    const raw = entryOf(directory, index)
    const entry = raw && linked(raw, targetOf)
    if (raw && entry === undefined) gone.push(index)
    return entry
  })
  const encoded = encodeDirectory(entries.filter((entry) => entry !== undefined))
  for (const node of encoded.nodes) sink.putNode(node)
  const stats = unsettled(directory.stats, gone)
  return { ...directory, stats, ...packEntries(entries), node: encoded.id }
}

/** Stat fields that count as changed at the next commit for some names: what has gone may come back as it was. */
function unsettled(stats: Float64Array, indexes: readonly number[]): Float64Array {
  if (indexes.length === 0) return stats
  const copy = Float64Array.from(stats)
  for (const index of indexes) copy[index * STAT_FIELDS + 3] = Number.NaN
  return copy
}

function linked(raw: RawEntry, targetOf: (name: ByteString) => LinkTarget): RawEntry | undefined {
  if (kindOfEntry(raw) !== 'directory') return raw
  const target = targetOf(raw.name)
  if (target === 'gone') return undefined
  if (target === 'kept') return raw
  const { node } = target
  const entry = decodeEntry(raw)
  return entry.kind !== 'directory' || entry.node === node ? raw : encodeEntry({ ...entry, node })
}

interface FoundName {
  readonly index: number
  readonly name: ByteString
  readonly path: ByteString
  readonly changed: boolean
  readonly previous: RawEntry | undefined
}

class DirectoryBuild {
  readonly #deps: BuildDeps
  readonly #surveyed: SurveyedDirectory
  readonly #notices: Notice[] = []
  /** Positions of the names that have gone since they were listed. */
  readonly #gone: number[] = []
  /** Names in this directory that turned out to be databases. */
  readonly #databases = new Set<ByteString>()
  /** Positions of the names that may belong to a database. */
  readonly #companions = new Map<ByteString, number>()

  constructor(deps: BuildDeps, surveyed: SurveyedDirectory) {
    this.#deps = deps
    this.#surveyed = surveyed
    for (const [index, name] of surveyed.names.entries())
      if (isCompanion(name)) this.#companions.set(name, index)
  }

  entries(nodeOf: (path: ByteString) => ChunkId | undefined): Omit<DirectoryState, 'node'> {
    const { names } = this.#surveyed
    const entries: (RawEntry | undefined)[] = new Array(names.length).fill(undefined)
    for (const index of this.#readingOrder()) entries[index] = this.#entryIfThere(index, nodeOf)
    const totals = totalsOf(this.#surveyed, entries)
    const stats = unsettled(this.#surveyed.stats, this.#gone)
    return { names, stats, ...packEntries(entries), totals, notices: this.#notices }
  }

  /** Positions of the names: files of one extension together, since they compress together, companions last. */
  #readingOrder(): number[] {
    const { names } = this.#surveyed
    const order = [...names.keys()]
    const keys = names.map((name) => (isCompanion(name) ? '\uffff' : name.slice(name.lastIndexOf('.') + 1)))
    return order.sort((a, b) => compare(keys[a] ?? '', keys[b] ?? '') || a - b)
  }

  #entryIfThere(index: number, nodeOf: (path: ByteString) => ChunkId | undefined): RawEntry | undefined {
    if (!this.#deps.mayVanish) return this.#entry(index, nodeOf)
    const path = joinPath(this.#surveyed.path, this.#surveyed.names[index] ?? '')
    try {
      if (!this.#deps.fetched.get(path)?.gone) return this.#entry(index, nodeOf)
    } catch (error) {
      if (!isGone(error, path)) throw error
    }
    this.#gone.push(index)
    return undefined
  }

  #entry(index: number, nodeOf: (path: ByteString) => ChunkId | undefined): RawEntry | undefined {
    const name = this.#surveyed.names[index] ?? ''
    const found = {
      index,
      name,
      path: joinPath(this.#surveyed.path, name),
      changed: this.#surveyed.isChanged(index),
      previous: this.#previousEntry(index),
    }
    switch (this.#surveyed.kindOf(index)) {
      case 'directory':
        return this.#directory(found, nodeOf(found.path))
      case 'symlink':
        return found.changed || !found.previous ? this.#symlink(found) : found.previous
      case 'file':
        return this.#file(found)
      case 'whiteout':
        return found.changed || !found.previous ? this.#whiteout(found) : found.previous
      case 'fifo':
        return this.#skip(found.path, 'fifo-skipped')
      case 'socket':
        return this.#skip(found.path, 'socket-skipped')
      case 'subvolume':
        return this.#skip(found.path, 'subvolume-skipped')
    }
  }

  #previousEntry(index: number): RawEntry | undefined {
    const { previous } = this.#surveyed
    const at = this.#surveyed.previousIndex(index)
    return previous && at >= 0 ? entryOf(previous, at) : undefined
  }

  #directory({ index, name, path, changed, previous }: FoundName, node: ChunkId | undefined) {
    if (node === undefined) {
      this.#gone.push(index)
      return undefined
    }
    if (!changed && previous) {
      const entry = decodeEntry(previous)
      if (entry.kind === 'directory') return entry.node === node ? previous : encodeEntry({ ...entry, node })
    }
    const attributes = this.#attributes(path, statExactly(this.#deps.source, path))
    return encodeEntry({ kind: 'directory', name, attributes, node })
  }

  #symlink({ name, path }: FoundName): RawEntry {
    const stats = statExactly(this.#deps.source, path)
    const target = readLink(this.#deps.source, path)
    return encodeEntry({ kind: 'symlink', name, attributes: attributesOf(stats, []), target })
  }

  /** As overlays write it where there can be no device. */
  #whiteout({ name, path }: FoundName): RawEntry {
    const stats = statExactly(this.#deps.source, path)
    const attributes = attributesOf(stats, [{ name: WHITEOUT_ATTRIBUTE, value: 'y' }])
    return encodeEntry({ kind: 'file', name, attributes, link: 0, content: [] })
  }

  /** A SQLite database is its file and its WAL together; a database's companions have no entry of their own. */
  #file(found: FoundName): RawEntry | undefined {
    const { name, previous } = found
    if (this.#deps.databases.isBusy(found.path)) return this.#notCaptured(found)
    if (this.#deps.databases.isBusy(journalOwner(found.path))) return this.#left(found)
    if (isCompanion(name) && this.#databases.has(name.slice(0, -COMPANION_CHARS))) return undefined
    const kind = previous && kindOfEntry(previous)
    const changed = found.changed || (kind === 'database' && this.#hasMovedWal(name))
    if (!changed && previous && (kind === 'file' || kind === 'database')) {
      if (kind === 'database') this.#databases.add(name)
      return previous
    }
    return (kind === 'database' && this.#database(found)) || this.#plainFile(found)
  }

  /** True if the WAL of a known database came, went or changed. */
  #hasMovedWal(name: ByteString): boolean {
    const wal = this.#companions.get(`${name}-wal`)
    const before = this.#surveyed.previous?.names.includes(`${name}-wal`) ?? false
    return wal === undefined ? before : !before || this.#surveyed.isChanged(wal)
  }

  #database({ index, name, path, changed, previous }: FoundName): RawEntry | undefined {
    const staged = this.#deps.databases.stage({
      path,
      hasWal: this.#companions.has(`${name}-wal`),
      previous: previous && decodeDatabase(previous),
      changed: changed ? this.#changedRanges(index, path) : [],
    })
    if (staged === undefined) return undefined
    this.#databases.add(name)
    return encodeEntry({ ...staged.state, name, attributes: this.#attributes(path, staged.stats) })
  }

  #plainFile(found: FoundName): RawEntry {
    const { name, path, previous } = found
    const before = previous && decodeEntry(previous)
    const changed = this.#changedRanges(found.index, path)
    const at = found.index * STAT_FIELDS
    const { stats } = this.#surveyed
    const request = {
      path,
      surveyed: { bytes: stats[at + 1] ?? 0, mtimeMs: stats[at + 2] ?? 0, ctimeMs: stats[at + 3] ?? 0 },
      spans: this.#deps.fetched.get(path)?.spans,
      previous: before?.kind === 'file' && changed ? { content: before.content, changed } : undefined,
    }
    const staged = this.#deps.files.stage(request)
    if (staged === 'database')
      return this.#database(found) ?? this.#fileEntry(name, path, this.#deps.files.stageAnyway(request))
    return this.#fileEntry(name, path, staged)
  }

  /** Ranges of a file that may differ from those of its previous entry; undefined: all of it. */
  #changedRanges(index: number, path: ByteString): readonly ByteSpan[] | undefined {
    const { previous } = this.#surveyed
    const before = previous?.stats[this.#surveyed.previousIndex(index) * STAT_FIELDS]
    return before === this.#surveyed.inodeOf(index) ? this.#deps.feed?.rangesOf(path) : undefined
  }

  #fileEntry(name: ByteString, path: ByteString, staged: StagedFile): RawEntry {
    if (staged.appended) this.#notices.push({ path: toText(path), reason: 'appended-while-read' })
    const attributes = this.#attributes(path, staged.stats)
    const inode = inodeNumber(staged.stats, this.#deps.source.device)
    const link = staged.stats.nlink > 1n ? this.#deps.linkOf(inode) : 0
    return encodeEntry({ kind: 'file', name, attributes, link, content: staged.content })
  }

  /** A database that somebody writes now, and can be kept from by neither lock nor freeze, stays as it was last kept. */
  #notCaptured(found: FoundName): RawEntry | undefined {
    this.#skip(found.path, 'not-captured')
    return this.#left(found)
  }

  /** What the last commit kept under the name; it counts as changed until it is read. */
  #left({ index, previous }: FoundName): RawEntry | undefined {
    this.#surveyed.stats[index * STAT_FIELDS + 3] = Number.NaN
    return previous
  }

  #skip(path: ByteString, reason: Notice['reason']): undefined {
    this.#notices.push({ path: toText(path), reason })
  }

  #attributes(path: ByteString, stats: BigIntStats): Attributes {
    return attributesOf(stats, this.#deps.fetched.get(path)?.xattrs ?? [])
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

function decodeEntry(raw: RawEntry): Entry {
  return readEntry(new ByteReader(raw.bytes, 'entry'))
}

function decodeDatabase(raw: RawEntry): DatabaseEntry | undefined {
  const entry = decodeEntry(raw)
  return entry.kind === 'database' ? entry : undefined
}

/** What `-wal` and `-shm` add to a database's name. */
const COMPANION_CHARS = 4

const JOURNAL = '-journal'

/** The database that a rollback journal belongs to; for another name itself. */
function journalOwner(path: ByteString): ByteString {
  return path.endsWith(JOURNAL) ? path.slice(0, -JOURNAL.length) : path
}

function isCompanion(name: ByteString): boolean {
  return name.endsWith('-wal') || name.endsWith('-shm')
}

function totalsOf(surveyed: SurveyedDirectory, entries: readonly (RawEntry | undefined)[]): DirectoryTotals {
  let files = 0
  let bytes = 0
  let databases = 0
  for (const [index, entry] of entries.entries()) {
    if (entry === undefined || surveyed.kindOf(index) !== 'file') continue
    files++
    bytes += surveyed.bytesOf(index)
    if (kindOfEntry(entry) === 'database') databases++
  }
  return { files, bytes, databases }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

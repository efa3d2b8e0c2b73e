import { lstatSync, readdirSync, type Stats } from 'node:fs'
import { errnoOf } from '@holdfast/base/errno'
import { Failure, isFailure } from '@holdfast/base/failure'
import { type ByteString, joinPath, toText } from '../format/byte-string.ts'
import type { ChangeFeed } from './change-feed.ts'
import { type DirectoryState, isSameStat, STAT_FIELDS } from './directory-state.ts'
import type { SourceDirectory } from './source-directory.ts'
import type { TreeState } from './tree-state.ts'

/** What a name is; fifos, sockets and nested subvolumes are not part of a generation. */
export type SurveyedKind = 'file' | 'directory' | 'symlink' | 'whiteout' | 'fifo' | 'socket' | 'subvolume'

const KINDS = [
  'file',
  'directory',
  'symlink',
  'whiteout',
  'fifo',
  'socket',
  'subvolume',
] as const satisfies readonly SurveyedKind[]

/**
 * One directory as it is now, beside what the last commit knew of it. Facts about names stand in columns: a survey of
 * 100,000 names leaves a thousand objects behind, not a hundred thousand.
 */
export class SurveyedDirectory {
  readonly path: ByteString
  readonly names: readonly ByteString[]
  readonly stats: Float64Array
  readonly previous: DirectoryState | undefined
  /** Where the directory was at the last commit. */
  readonly previousPath: ByteString
  readonly #columns: SurveyColumns

  constructor(
    path: ByteString,
    columns: SurveyColumns,
    before: { readonly path: ByteString; readonly state: DirectoryState | undefined },
  ) {
    this.path = path
    this.previousPath = before.path
    this.names = columns.names
    this.stats = columns.stats.subarray(0, columns.names.length * STAT_FIELDS)
    this.previous = before.state
    this.#columns = columns
  }

  kindOf(index: number): SurveyedKind {
    return KINDS[this.#columns.kinds[index] ?? 0] ?? 'file'
  }

  /** True if the stat fields differ from those of the last commit, or may do so unnoticed. */
  isChanged(index: number): boolean {
    return this.#columns.changed[index] === 1
  }

  /** True for a file with fewer blocks than its size needs. */
  isSparse(index: number): boolean {
    return this.#columns.sparse[index] === 1
  }

  /** True for a file with several names. */
  isLinked(index: number): boolean {
    return this.#columns.linked[index] === 1
  }

  inodeOf(index: number): number {
    return this.stats[index * STAT_FIELDS] ?? 0
  }

  bytesOf(index: number): number {
    return this.stats[index * STAT_FIELDS + 1] ?? 0
  }

  /** The position of the name in `previous`, or -1. */
  previousIndex(index: number): number {
    return this.#columns.previousIndex[index] ?? -1
  }

  *subdirectories(): Iterable<ByteString> {
    if (!this.#columns.hasDirectories) return
    for (const [index, name] of this.names.entries()) {
      if (this.kindOf(index) === 'directory') yield joinPath(this.path, name)
    }
  }

  /**
   * True if the directory is where it was and its own entries are those of the last commit; its subdirectories may
   * still differ.
   */
  get isUnchanged(): boolean {
    const isSame = this.previous?.names.length === this.names.length && !this.#columns.anyChanged
    return isSame && this.previousPath === this.path
  }
}

export interface SurveyColumns {
  readonly names: ByteString[]
  readonly stats: Float64Array
  readonly kinds: Uint8Array
  readonly changed: Uint8Array
  readonly sparse: Uint8Array
  readonly linked: Uint8Array
  readonly previousIndex: Int32Array
  anyChanged: boolean
  hasDirectories: boolean
}

export interface SurveyOptions {
  readonly source: SourceDirectory
  readonly state: TreeState
  /**
   * Names with an mtime or ctime at or after this (milliseconds since 1970) may be written once more within the same
   * tick of the kernel's clock without any of their fields changing: they count as changed at the next commit too.
   */
  readonly racyFromMs: number
  /** What is known to have changed; a name that it does not name is believed to be what it was. */
  readonly feed?: ChangeFeed | undefined
}

/** Four times what the kernel takes as one path. Paths are held whole: a chain of directories costs its square. */
const PATH_BYTES_MAX = 16 * 1024
/** Nothing that a directory may hold is larger. */
const NAMES_MAX = 8_000_000

/** Reads one directory and the stat fields of all its names. Rejects with `no-permission`, `unsupported-file`, `source-failed`. */
export function surveyDirectory(options: SurveyOptions, path: ByteString): SurveyedDirectory {
  if (path.length > PATH_BYTES_MAX) throw tooDeep(path)
  const { feed } = options
  const previousPath = feed?.previousPath(path) ?? path
  const previous = options.state.get(previousPath)
  const listed = listNames(options.source, path)
  const columns = emptyColumns(listed.length)
  const pathTo = options.source.within(path)
  let cursor = 0
  for (const name of listed) {
    const found = statName(pathTo(name), path, name)
    if (found === undefined) continue
    const index = columns.names.length
    recordStat(columns.stats, index, found, options.racyFromMs)
    while (previous && (previous.names[cursor] ?? '\uffff') < name) cursor++
    const known = previous !== undefined && previous.names[cursor] === name
    if (known) columns.previousIndex[index] = cursor
    const same =
      known &&
      (feed
        ? isSameBehind(found, previous.stats, cursor) && !feed.isNamed(joinPath(path, name))
        : isSameStat(columns.stats, index, previous.stats, cursor))
    addName(columns, { path, name, found, changed: !same })
  }
  return new SurveyedDirectory(path, columns, { path: previousPath, state: previous })
}

/** True if the stat fields are those of the last commit, where a change feed tells what they do not. */
function isSameBehind(found: Stats, previous: Float64Array, index: number): boolean {
  const at = index * STAT_FIELDS
  const ctimeMs = previous[at + 3] ?? Number.NaN
  return (
    found.ino === previous[at] &&
    found.size === previous[at + 1] &&
    found.mtimeMs === previous[at + 2] &&
    (Number.isNaN(ctimeMs) || found.ctimeMs === ctimeMs)
  )
}

function tooDeep(path: ByteString): Failure {
  const shown = `${toText(path.slice(0, 100))}…`
  return new Failure(
    'unsupported-file',
    `directories lie deeper than ${PATH_BYTES_MAX} bytes of path in ${shown}`,
    {
      path: shown,
    },
  )
}

function emptyColumns(count: number): SurveyColumns {
  return {
    names: [],
    stats: new Float64Array(count * STAT_FIELDS),
    kinds: new Uint8Array(count),
    changed: new Uint8Array(count),
    sparse: new Uint8Array(count),
    linked: new Uint8Array(count),
    previousIndex: new Int32Array(count).fill(-1),
    anyChanged: false,
    hasDirectories: false,
  }
}

function addName(
  columns: SurveyColumns,
  name: {
    readonly path: ByteString
    readonly name: ByteString
    readonly found: Stats
    readonly changed: boolean
  },
): void {
  const index = columns.names.length
  const { found } = name
  const kind = kindOf(found, name.path, name.name)
  columns.names.push(name.name)
  columns.kinds[index] = KINDS.indexOf(kind)
  columns.changed[index] = name.changed ? 1 : 0
  columns.sparse[index] = kind === 'file' && found.blocks * 512 < found.size ? 1 : 0
  columns.linked[index] = kind === 'file' && found.nlink > 1 ? 1 : 0
  columns.anyChanged ||= name.changed
  columns.hasDirectories ||= kind === 'directory'
}

function listNames(source: SourceDirectory, path: ByteString): ByteString[] {
  const names = readDirectoryNames(source, path)
  if (names.length > NAMES_MAX)
    throw new Failure('invalid-argument', `${toText(path)} holds over ${NAMES_MAX} names`)
  return names.sort()
}

function readDirectoryNames(source: SourceDirectory, path: ByteString): ByteString[] {
  try {
    return readdirSync(source.resolve(path), 'latin1')
  } catch (error) {
    throw sourceFailure(error, path, 'list')
  }
}

/** The name's stat fields; undefined for one that has gone since it was listed. */
function statName(full: string | Buffer, path: ByteString, name: ByteString): Stats | undefined {
  try {
    return lstatSync(full, { throwIfNoEntry: false })
  } catch (error) {
    throw sourceFailure(error, joinPath(path, name), 'stat')
  }
}

/** Some file systems count in whole seconds (ext4 with small inodes, HFS+) or two (FAT): a tick there is as long. */
const COARSE_TICK_MS = 2000

function recordStat(stats: Float64Array, index: number, found: Stats, racyFromMs: number): void {
  const at = index * STAT_FIELDS
  const isCoarse = found.ctimeMs % 1000 === 0
  const fromMs = isCoarse ? racyFromMs - COARSE_TICK_MS : racyFromMs
  const racy = found.mtimeMs >= fromMs || found.ctimeMs >= fromMs
  stats[at] = found.ino
  stats[at + 1] = found.size
  stats[at + 2] = found.mtimeMs
  stats[at + 3] = racy ? Number.NaN : found.ctimeMs
}

function kindOf(stats: Stats, directory: ByteString, name: ByteString): SurveyedKind {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return isSubvolumeStub(stats) ? 'subvolume' : 'directory'
  if (stats.isSymbolicLink()) return 'symlink'
  if (stats.isFIFO()) return 'fifo'
  if (stats.isSocket()) return 'socket'
  if (stats.isCharacterDevice() && stats.rdev === WHITEOUT_DEVICE) return 'whiteout'
  const path = toText(joinPath(directory, name))
  throw new Failure('unsupported-file', `${path} is a device`, { path })
}

/** By this device, which nobody can open, an overlay's upper directory says that a name below it is deleted. */
const WHITEOUT_DEVICE = 0

/** A snapshot shows an empty directory with this inode number where another subvolume is mounted in the original. */
const STUB_INODE = 2

function isSubvolumeStub(stats: Stats): boolean {
  return stats.ino === STUB_INODE && stats.nlink === 1 && stats.size === 0
}

/** What a name answers that has gone, or become something else, since it was listed. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO'])

/** True for the failure of a source read that says: what was listed at `path` is there no more. */
export function isGone(error: unknown, path: ByteString): boolean {
  return (
    isFailure(error, 'file-unstable') &&
    error.details.path === toText(path) &&
    GONE.has(String(error.details.errno))
  )
}

/** A file function's error about the source as a Failure that names the path. */
export function sourceFailure(error: unknown, path: ByteString, step: string): Failure {
  const errno = errnoOf(error) ?? 'unknown'
  const details = { path: toText(path), step, errno }
  const said = `cannot ${step} ${toText(path) === '' ? 'the directory' : toText(path)}: ${errno}`
  if (errno === 'EACCES' || errno === 'EPERM') return new Failure('no-permission', said, details, error)
  if (GONE.has(errno)) return new Failure('file-unstable', said, details, error)
  return new Failure('source-failed', said, details, error)
}

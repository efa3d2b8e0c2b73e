import { lstatSync, readdirSync, type Stats } from 'node:fs'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { type ByteString, joinPath, toText } from '../format/byte-string.ts'
import { type DirectoryState, isSameStat, STAT_FIELDS } from './directory-state.ts'
import type { SourceDirectory } from './source-directory.ts'
import type { TreeState } from './tree-state.ts'

/** What a name is; `skipped` kinds are not part of a generation. */
export type SurveyedKind = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket'

export interface SurveyedName {
  readonly name: ByteString
  readonly kind: SurveyedKind
  /** True if its stat fields differ from those of the last commit, or may do so unnoticed. */
  readonly changed: boolean
  readonly stats: Stats
}

/** One directory as it is now, beside what the last commit knew of it. */
export interface SurveyedDirectory {
  readonly path: ByteString
  readonly names: readonly SurveyedName[]
  readonly stats: Float64Array
  readonly previous: DirectoryState | undefined
  /** For each name its position in `previous`, or -1. */
  readonly previousIndex: Int32Array
}

export interface SurveyOptions {
  readonly source: SourceDirectory
  readonly state: TreeState
  /**
   * Names with an mtime or ctime at or after this (milliseconds since 1970) may be written once more within the same
   * tick of the kernel's clock without any of their fields changing: they count as changed at the next commit too.
   */
  readonly racyFromMs: number
}

/** Nothing that a directory may hold is larger. */
const NAMES_MAX = 8_000_000

/** Reads one directory and the stat fields of all its names. Rejects with `no-permission`, `unsupported-file`, `source-failed`. */
export function surveyDirectory(options: SurveyOptions, path: ByteString): SurveyedDirectory {
  const previous = options.state.get(path)
  const listed = listNames(options.source, path)
  const stats = new Float64Array(listed.length * STAT_FIELDS)
  const previousIndex = new Int32Array(listed.length).fill(-1)
  const names: SurveyedName[] = []
  let cursor = 0
  for (const name of listed) {
    const found = statName(options.source, path, name)
    if (found === undefined) continue
    const index = names.length
    recordStat(stats, index, found, options.racyFromMs)
    while (previous && (previous.names[cursor] ?? '\uffff') < name) cursor++
    const known = previous?.names[cursor] === name
    if (known) previousIndex[index] = cursor
    const same = known && previous && isSameStat(stats, index, previous.stats, cursor)
    names.push({ name, kind: kindOf(found, joinPath(path, name)), changed: !same, stats: found })
  }
  return { path, names, stats: stats.subarray(0, names.length * STAT_FIELDS), previous, previousIndex }
}

/** True if the directory's own entries are those of the last commit; its subdirectories may still differ. */
export function isUnchanged(directory: SurveyedDirectory): boolean {
  return (
    directory.previous !== undefined &&
    directory.previous.names.length === directory.names.length &&
    directory.names.every((name) => !name.changed)
  )
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
function statName(source: SourceDirectory, path: ByteString, name: ByteString): Stats | undefined {
  const full = joinPath(path, name)
  try {
    return lstatSync(source.resolve(full), { throwIfNoEntry: false })
  } catch (error) {
    throw sourceFailure(error, full, 'stat')
  }
}

function recordStat(stats: Float64Array, index: number, found: Stats, racyFromMs: number): void {
  const at = index * STAT_FIELDS
  const racy = found.mtimeMs >= racyFromMs || found.ctimeMs >= racyFromMs
  stats[at] = found.ino
  stats[at + 1] = found.size
  stats[at + 2] = found.mtimeMs
  stats[at + 3] = racy ? Number.NaN : found.ctimeMs
}

function kindOf(stats: Stats, path: ByteString): SurveyedKind {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'symlink'
  if (stats.isFIFO()) return 'fifo'
  if (stats.isSocket()) return 'socket'
  throw new Failure('unsupported-file', `${toText(path)} is a device`, { path: toText(path) })
}

/** A file function's error about the source as a Failure that names the path. */
export function sourceFailure(error: unknown, path: ByteString, step: string): Failure {
  const errno = errnoOf(error) ?? 'unknown'
  const details = { path: toText(path), step, errno }
  const said = `cannot ${step} ${toText(path) === '' ? 'the directory' : toText(path)}: ${errno}`
  if (errno === 'EACCES' || errno === 'EPERM') return new Failure('no-permission', said, details, error)
  if (errno === 'ENOENT' || errno === 'ENOTDIR') return new Failure('file-unstable', said, details, error)
  return new Failure('source-failed', said, details, error)
}

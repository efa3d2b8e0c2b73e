import { Failure } from '@holdfast/base/failure'
import { type ByteString, baseName, joinPath, parentPath, toText } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import { kindOfEntry } from '../format/entry.ts'
import type { Notice } from '../format/generation-record.ts'
import { encodeRoot } from '../format/tree-node.ts'
import {
  type DirectoryState,
  type DirectoryTotals,
  decodeDirectoryState,
  entryOf,
} from '../scan/directory-state.ts'
import { isGone, type SurveyedDirectory, surveyDirectory } from '../scan/survey.ts'
import type { EncodedState, TreeState } from '../scan/tree-state.ts'
import {
  attributesOf,
  type BuildDeps,
  buildEntries,
  type FetchedAttributes,
  type LinkTarget,
  linkDirectory,
  statExactly,
  UNLINKED,
} from './directory-builder.ts'

export interface TreeStagerDeps extends Omit<BuildDeps, 'fetched'> {
  /** What the last commit knew; `accept` brings it up to date. */
  readonly state: TreeState
}

/** A name whose attributes the native helper must tell before it can be built. */
export interface Wanted {
  readonly directory: ByteString
  readonly name: ByteString
  /** True for a file with fewer blocks than its size needs. */
  readonly sparse: boolean
}

/**
 * Stages the directories below one path: survey (what is there), fetch (by the caller: what only the helper tells),
 * build (read, cut, encode, from the leaves up). Nothing is remembered until `accept`, so that a commit that fails
 * leaves the next one to find the same changes.
 */
export class TreeStager {
  readonly #deps: TreeStagerDeps
  readonly #pending = new Map<ByteString, DirectoryState>()
  readonly #gone = new Set<ByteString>()

  constructor(deps: TreeStagerDeps) {
    this.#deps = deps
  }

  /** Surveys `top` and everything below it, parents before children. */
  surveyAll(top: ByteString, racyFromMs: number): SurveyedDirectory[] {
    const surveyed: SurveyedDirectory[] = []
    const waiting = [top]
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      const directory = this.surveyIfThere(path, racyFromMs)
      if (directory === undefined) continue
      surveyed.push(directory)
      waiting.push(...directory.subdirectories())
    }
    return surveyed
  }

  surveyOne(path: ByteString, racyFromMs: number): SurveyedDirectory {
    const { source, state, feed } = this.#deps
    return surveyDirectory({ source, state, racyFromMs, feed }, path)
  }

  /** As `surveyOne`; undefined for a directory below the root that may have gone since it was listed, and has. */
  surveyIfThere(path: ByteString, racyFromMs: number): SurveyedDirectory | undefined {
    try {
      return this.surveyOne(path, racyFromMs)
    } catch (error) {
      if (!this.#deps.mayVanish || path === '' || !isGone(error, path)) throw error
      return undefined
    }
  }

  /** Forgets every directory that was not met and does not lie in one of the subtrees staged elsewhere. */
  forgetUnmet(met: ReadonlySet<ByteString>, elsewhere: ReadonlySet<ByteString> = new Set()): void {
    const isElsewhere = within(elsewhere)
    for (const path of this.#deps.state.paths())
      if (!met.has(path) && !isElsewhere(path)) this.#gone.add(path)
  }

  /** Forgets directories with all that was in them, but for paths that were met. */
  forget(removed: ReadonlySet<ByteString>, met: ReadonlyMap<ByteString, unknown>): void {
    if (removed.size === 0) return
    const isRemoved = within(removed)
    for (const path of this.#deps.state.paths()) if (!met.has(path) && isRemoved(path)) this.#gone.add(path)
  }

  /** Builds surveyed directories, given parents first. */
  build(surveyed: readonly SurveyedDirectory[], fetched: ReadonlyMap<ByteString, FetchedAttributes>): void {
    const deps = { ...this.#deps, fetched }
    for (const directory of surveyed.toReversed()) {
      if (directory.isUnchanged && !this.#hasPendingChild(directory)) continue
      const entries = buildEntries(deps, directory, (path) => this.nodeOf(path))
      this.#pending.set(
        directory.path,
        linkDirectory(this.#deps.sink, entries, () => 'kept'),
      )
    }
  }

  /** Builds the entries of one surveyed directory whose subdirectories are staged elsewhere. */
  buildUnlinked(directory: SurveyedDirectory, fetched: ReadonlyMap<ByteString, FetchedAttributes>): void {
    const entries = buildEntries({ ...this.#deps, fetched }, directory, () => UNLINKED)
    this.#pending.set(directory.path, { ...entries, node: UNLINKED })
  }

  /** Takes over directories that were staged elsewhere. */
  adopt(changed: Iterable<EncodedState>, gone: Iterable<ByteString>): void {
    for (const [path, bytes] of changed) this.#pending.set(path, decodeDirectoryState(bytes))
    for (const path of gone) this.#gone.add(path)
  }

  /**
   * Links staged directories into their parents up to the root, deepest first: those adopted unlinked, and those whose
   * own entries stand while a directory below them changed, or went.
   */
  linkUp(): void {
    if (this.#deps.mayVanish) this.#forgetOrphans()
    const unlinked = [...this.#pending].filter(([, state]) => state.node === UNLINKED).map(([path]) => path)
    const paths = new Set([...unlinked, ...this.#ancestorsOfStaged()])
    for (const path of [...paths].sort().reverse()) {
      const fresh = this.#current(path).node === UNLINKED
      const targetOf = (name: ByteString): LinkTarget => this.#targetOf(joinPath(path, name), fresh)
      this.#pending.set(path, linkDirectory(this.#deps.sink, this.#current(path), targetOf))
    }
  }

  #targetOf(path: ByteString, fresh: boolean): LinkTarget {
    if (this.#gone.has(path) && !this.#pending.has(path)) return 'gone'
    const node = fresh ? this.nodeOf(path) : this.#pending.get(path)?.node
    if (node !== undefined) return { node }
    return fresh ? 'gone' : 'kept'
  }

  /** Forgets what was staged of directories that their parents, built later, did not find any more. */
  #forgetOrphans(): void {
    const orphans = new Set<ByteString>()
    const found = new Map<ByteString, ReadonlySet<ByteString>>()
    const foundIn = (parent: ByteString) => {
      const names = found.get(parent) ?? directoriesIn(this.#known(parent))
      found.set(parent, names)
      return names
    }
    for (const path of [...this.#pending.keys()].sort()) {
      if (path === '') continue
      const parent = parentPath(path)
      if (!orphans.has(parent) && foundIn(parent).has(baseName(path))) continue
      orphans.add(path)
      this.#pending.delete(path)
    }
    this.forget(orphans, new Map())
    for (const path of orphans) this.#gone.add(path)
  }

  /** Directories above staged and gone ones that were not built with them: the lowest such one, and all above it. */
  *#ancestorsOfStaged(): Iterable<ByteString> {
    const seen = new Set<ByteString>()
    const gone = this.#deps.mayVanish
      ? [...this.#gone].filter((path) => !this.#gone.has(parentPath(path)))
      : []
    for (const path of [...this.#pending.keys(), ...gone]) {
      if (path === '' || this.#pending.has(parentPath(path))) continue
      for (let at = path; at !== ''; ) {
        at = parentPath(at)
        if (seen.has(at)) break
        seen.add(at)
        yield at
      }
    }
  }

  /** Undefined for a directory that may have come or gone while its parent was read, and has. */
  nodeOf(path: ByteString): ChunkId | undefined {
    return this.#deps.mayVanish ? this.#known(path)?.node : this.#current(path).node
  }

  /** The root node over what is staged. */
  root(fetched: FetchedAttributes): ChunkId {
    const attributes = attributesOf(statExactly(this.#deps.source, ''), fetched.xattrs)
    const root = encodeRoot({ kind: 'directory', name: '', attributes, node: this.#current('').node })
    this.#deps.sink.putNode(root)
    return root.id
  }

  get changed(): ReadonlyMap<ByteString, DirectoryState> {
    return this.#pending
  }

  /** Directories that exist no more. */
  get gone(): ReadonlySet<ByteString> {
    return this.#gone
  }

  /** Sums over every directory. */
  totals(): DirectoryTotals & { readonly notices: readonly Notice[] } {
    const sum = { files: 0, bytes: 0, databases: 0 }
    const notices: Notice[] = []
    for (const { totals, notices: own } of this.#states()) {
      sum.files += totals.files
      sum.bytes += totals.bytes
      sum.databases += totals.databases
      notices.push(...own)
    }
    return { ...sum, notices }
  }

  *#states(): Iterable<DirectoryState> {
    for (const path of this.#deps.state.paths()) {
      const state = this.#gone.has(path) || this.#pending.has(path) ? undefined : this.#deps.state.get(path)
      if (state) yield state
    }
    yield* this.#pending.values()
  }

  /** The commit holds: what was staged is what the next one compares with. */
  accept(): void {
    for (const path of this.#gone) this.#deps.state.delete(path)
    for (const [path, state] of this.#pending) this.#deps.state.set(path, state)
    this.discard()
  }

  /** The commit failed: everything staged is forgotten. */
  discard(): void {
    this.#pending.clear()
    this.#gone.clear()
  }

  #hasPendingChild(directory: SurveyedDirectory): boolean {
    for (const path of directory.subdirectories()) if (this.#pending.has(path)) return true
    return false
  }

  #known(path: ByteString): DirectoryState | undefined {
    return this.#pending.get(path) ?? (this.#gone.has(path) ? undefined : this.#deps.state.get(path))
  }

  #current(path: ByteString): DirectoryState {
    const state = this.#known(path)
    if (state === undefined)
      throw new Failure('file-unstable', `${toText(path)} appeared while the directory was read`, {
        path: toText(path),
      })
    return state
  }
}

/** The names of the subdirectories that a directory has. */
function directoriesIn(state: DirectoryState | undefined): ReadonlySet<ByteString> {
  const names = new Set<ByteString>()
  for (const index of state?.names.keys() ?? []) {
    const raw = state && entryOf(state, index)
    if (raw && kindOfEntry(raw) === 'directory') names.add(raw.name)
  }
  return names
}

/** The names of surveyed directories that changed and may have attributes beyond their stat fields. */
export function wantedOf(surveyed: readonly SurveyedDirectory[]): Wanted[] {
  const wanted: Wanted[] = []
  for (const directory of surveyed) {
    if (directory.isUnchanged) continue
    for (const [index, name] of directory.names.entries()) {
      const kind = directory.kindOf(index)
      if (!directory.isChanged(index) || (kind !== 'file' && kind !== 'directory')) continue
      wanted.push({ directory: directory.path, name, sparse: directory.isSparse(index) })
    }
  }
  return wanted
}

/** Tells which paths are one of `tops` or below one; what it finds for a directory holds for all that is asked later. */
export function within(tops: ReadonlySet<ByteString>): (path: ByteString) => boolean {
  if (tops.size === 0) return () => false
  const known = new Map<ByteString, boolean>([['', tops.has('')]])
  return (path) => {
    const climbed: ByteString[] = []
    let at = path
    while (!known.has(at) && !tops.has(at)) {
      climbed.push(at)
      at = parentPath(at)
    }
    const isInside = known.get(at) ?? true
    for (const below of climbed) known.set(below, isInside)
    return isInside
  }
}

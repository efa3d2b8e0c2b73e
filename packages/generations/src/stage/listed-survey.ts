import { type ByteString, joinPath } from '../format/byte-string.ts'
import { kindOfEntry } from '../format/entry.ts'
import type { ChangeFeed } from '../scan/change-feed.ts'
import { entryOf, STAT_FIELDS } from '../scan/directory-state.ts'
import type { SurveyedDirectory } from '../scan/survey.ts'
import type { TreeState } from '../scan/tree-state.ts'
import { type TreeStager, within } from './tree-stager.ts'

export interface ListedSurveyDeps {
  readonly stager: TreeStager
  readonly state: TreeState
  readonly feed: ChangeFeed
  readonly racyFromMs: number
}

/**
 * Surveys the directories of a change list, and what follows from what they hold: directories that are new or came
 * from elsewhere with all that is in them, and the other names of files that changed under one. Directories that are
 * not in their place any more are forgotten. Parents come before children.
 */
export function surveyListed(
  deps: ListedSurveyDeps,
  directories: Iterable<ByteString>,
): readonly SurveyedDirectory[] {
  return new ListedSurvey(deps).run(directories)
}

class ListedSurvey {
  readonly #deps: ListedSurveyDeps
  readonly #surveyed = new Map<ByteString, SurveyedDirectory>()

  constructor(deps: ListedSurveyDeps) {
    this.#deps = deps
  }

  run(directories: Iterable<ByteString>): readonly SurveyedDirectory[] {
    const vanished = new Set<ByteString>()
    for (const path of [...directories].sort()) {
      if (this.#surveyed.has(path)) continue
      const directory = this.#survey(path)
      const stayed = this.#stayed(directory)
      for (const gone of vanishedFrom(directory, stayed)) vanished.add(gone)
      for (const top of directory.subdirectories()) if (!stayed.has(top)) this.#surveyAll(top)
    }
    this.#surveyLinked(vanished)
    this.#deps.stager.forget(vanished, this.#surveyed)
    return [...this.#surveyed.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  #survey(path: ByteString): SurveyedDirectory {
    const directory = this.#deps.stager.surveyOne(path, this.#deps.racyFromMs)
    this.#surveyed.set(path, directory)
    return directory
  }

  #surveyAll(top: ByteString): void {
    for (const directory of this.#deps.stager.surveyAll(top, this.#deps.racyFromMs))
      this.#surveyed.set(directory.path, directory)
  }

  /** A list names a file under one of its names; what it says holds for all of them. */
  #surveyLinked(vanished: ReadonlySet<ByteString>): void {
    const inodes = new Set([...this.#surveyed.values()].flatMap((directory) => [...changedLinks(directory)]))
    if (inodes.size === 0) return
    const again = new Set<ByteString>()
    const name = (directory: ByteString, names: Iterable<ByteString>) => {
      for (const found of names) {
        this.#deps.feed.name(joinPath(directory, found))
        again.add(directory)
      }
    }
    for (const directory of this.#surveyed.values()) name(directory.path, unchangedNames(directory, inodes))
    const isVanished = within(vanished)
    for (const path of this.#deps.state.paths()) {
      if (!this.#surveyed.has(path) && !isVanished(path)) name(path, this.#knownNames(path, inodes))
    }
    for (const path of again) this.#survey(path)
  }

  *#knownNames(path: ByteString, inodes: ReadonlySet<number>): Iterable<ByteString> {
    const known = this.#deps.state.get(path)
    for (const [index, name] of known?.names.entries() ?? [])
      if (inodes.has(known?.stats[index * STAT_FIELDS] ?? 0)) yield name
  }

  /** The subdirectories that the last commit knew in the same place. */
  #stayed(directory: SurveyedDirectory): Set<ByteString> {
    const stayed = new Set<ByteString>()
    const { previous, path } = directory
    if (previous === undefined || directory.previousPath !== path) return stayed
    for (const [index, name] of directory.names.entries()) {
      const at = directory.previousIndex(index)
      const below = joinPath(path, name)
      const isSame = at >= 0 && previous.stats[at * STAT_FIELDS] === directory.inodeOf(index)
      const isKnown = isSame && directory.kindOf(index) === 'directory' && this.#deps.state.has(below)
      if (isKnown && this.#deps.feed.previousPath(below) === below) stayed.add(below)
    }
    return stayed
  }
}

/** Inode numbers of the changed files that have several names. */
function* changedLinks(directory: SurveyedDirectory): Iterable<number> {
  for (const index of directory.names.keys())
    if (directory.isLinked(index) && directory.isChanged(index)) yield directory.inodeOf(index)
}

function* unchangedNames(directory: SurveyedDirectory, inodes: ReadonlySet<number>): Iterable<ByteString> {
  for (const [index, name] of directory.names.entries())
    if (!directory.isChanged(index) && inodes.has(directory.inodeOf(index))) yield name
}

/** The subdirectories that a directory had and that are gone or elsewhere: what was in them went with them. */
function* vanishedFrom(
  { previous, path, previousPath }: SurveyedDirectory,
  stayed: ReadonlySet<ByteString>,
): Iterable<ByteString> {
  if (previous === undefined || previousPath !== path) return
  for (const [index, name] of previous.names.entries()) {
    const raw = entryOf(previous, index)
    const below = joinPath(path, name)
    if (raw && kindOfEntry(raw) === 'directory' && !stayed.has(below)) yield below
  }
}

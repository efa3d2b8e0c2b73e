import { allSettled } from '@holdfast/base/all-settled'
import { type ByteString, joinPath } from '../format/byte-string.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type { DirectoryListing } from '../holdfs/operations.ts'
import { isSameListing, STAT_FIELDS } from '../scan/directory-state.ts'
import type { SourceDirectory } from '../scan/source-directory.ts'
import type { SurveyedDirectory } from '../scan/survey.ts'
import type { TreeState } from '../scan/tree-state.ts'
import type { StagePool } from './stage-pool.ts'

/** Directories that one request lists: a round trip for each would cost more than the listing. */
const DIRECTORIES_PER_REQUEST = 32
/** A tree of more names than this is listed by several companions. */
const NAMES_ALONE_MAX = 4000
/** Requests under way to one companion: it lists the next directories while the last answer is read. */
const REQUESTS_AHEAD = 2

const BYTES_PER_NAME = STAT_FIELDS * Float64Array.BYTES_PER_ELEMENT

export interface ComparisonDeps {
  readonly holdfs: Holdfs
  readonly pool: StagePool
  readonly source: SourceDirectory
  readonly state: TreeState
  /** Surveys a directory that the companions do not tell of; fails for one that nobody can read, unless it has gone. */
  readonly surveyOne: (path: ByteString) => SurveyedDirectory | undefined
}

export interface ChangedDirectories {
  /** Every directory that there is. */
  readonly met: ReadonlySet<ByteString>
  /** Those whose own names differ from what the last commit knew, parents first. */
  readonly changed: readonly ByteString[]
  /** Names in the changed ones. */
  readonly changedNames: number
}

/**
 * Compares a whole tree with what the last commit knew of it. The native companions list it, in half the time that Node
 * takes for its stat calls, and a directory that did not change costs a comparison of bytes, however many names it
 * has. Rejects as surveying does.
 */
export async function findChangedDirectories(deps: ComparisonDeps): Promise<ChangedDirectories> {
  const comparison = new TreeComparison(deps)
  await comparison.run()
  return comparison
}

class TreeComparison implements ChangedDirectories {
  readonly met = new Set<ByteString>()
  readonly changed: ByteString[] = []
  changedNames = 0
  readonly #deps: ComparisonDeps
  #names = 0

  constructor(deps: ComparisonDeps) {
    this.#deps = deps
  }

  /** Level by level: all directories of one level are known before the next one begins. */
  async run(): Promise<void> {
    for (let level: ByteString[] = ['']; level.length > 0; ) level = await this.#compareLevel(level)
  }

  /** Resolves with the subdirectories of a level. */
  async #compareLevel(level: readonly ByteString[]): Promise<ByteString[]> {
    const { holdfs, pool } = this.#deps
    const companions = this.#names <= NAMES_ALONE_MAX ? [holdfs] : await pool.companions()
    const below: ByteString[] = []
    let next = 0
    const work = async (companion: Holdfs) => {
      while (next < level.length) {
        const batch = level.slice(next, next + DIRECTORIES_PER_REQUEST)
        next += batch.length
        for (const path of await this.#compareBatch(companion, batch)) below.push(path)
      }
    }
    await allSettled(Array.from({ length: REQUESTS_AHEAD }, () => companions.map(work)).flat())
    return below
  }

  async #compareBatch(companion: Holdfs, batch: readonly ByteString[]): Promise<ByteString[]> {
    const below: ByteString[] = []
    for (let rest = batch; rest.length > 0; ) {
      const listings = await this.#list(companion, rest)
      const settled = rest.slice(0, Math.max(1, listings.length))
      for (const [index, path] of settled.entries())
        for (const subdirectory of this.#compare(path, listings[index])) below.push(subdirectory)
      rest = rest.slice(settled.length)
    }
    return below
  }

  /** What the first of `paths` hold; nothing where the companion cannot tell. */
  async #list(companion: Holdfs, paths: readonly ByteString[]): Promise<readonly DirectoryListing[]> {
    const { source } = this.#deps
    const firstAnchored = paths.findIndex((path) => source.isAnchored(path))
    const asked = firstAnchored < 0 ? paths : paths.slice(0, firstAnchored)
    if (asked.length === 0) return []
    try {
      return await companion.listDirectories(asked.map((path) => source.resolveBytes(path)))
    } catch {
      return [] // surveying the directory finds out whether it can be read
    }
  }

  /** Notes whether a directory changed, and returns its subdirectories. */
  #compare(path: ByteString, listing: DirectoryListing | undefined): ByteString[] {
    const isTold = listing !== undefined && !('errno' in listing)
    if (!isTold) return this.#survey(path)
    const before = this.#deps.state.bytesOf(path)
    const isUnchanged = before !== undefined && isSameListing(before, listing)
    this.#note(path, listing.stats.length / BYTES_PER_NAME, !isUnchanged)
    return listing.subdirectories.map((name) => joinPath(path, name))
  }

  #survey(path: ByteString): ByteString[] {
    const surveyed = this.#deps.surveyOne(path)
    if (surveyed === undefined) return []
    this.#note(path, surveyed.names.length, !surveyed.isUnchanged)
    return [...surveyed.subdirectories()]
  }

  #note(path: ByteString, names: number, isChanged: boolean): void {
    this.met.add(path)
    this.#names += names
    if (!isChanged) return
    this.changed.push(path)
    this.changedNames += names
  }
}

import type { ByteString } from '../format/byte-string.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type { DatabaseHolds } from '../live-sqlite/database-hold.ts'
import { ChangeFeed, type NamedChanges } from '../scan/change-feed.ts'
import { encodeDirectoryState } from '../scan/directory-state.ts'
import { isGone, type SurveyedDirectory } from '../scan/survey.ts'
import { type EncodedState, TreeState } from '../scan/tree-state.ts'
import { encodeDatabaseMemory } from './database-memory.ts'
import type { DatabaseStager } from './database-stager.ts'
import { fetchAttributes } from './fetch-attributes.ts'
import { largeFilesOf, toReadOf } from './large-files.ts'
import type { StageEngine } from './stage-engine.ts'
import type { BuildReply, PreparedFile, SurveyReply } from './stage-messages.ts'
import { type TreeStager, wantedOf } from './tree-stager.ts'

/**
 * One subtree, or one directory without its subdirectories, staged away from the main thread: surveyed first, built
 * when its large files have been read.
 */
export class SubtreeJob {
  readonly #engine: StageEngine
  readonly #top: ByteString
  readonly #flat: boolean
  readonly #stager: TreeStager
  readonly #databases: DatabaseStager
  readonly #feed: ChangeFeed | undefined
  #surveyed: SurveyedDirectory[] = []

  constructor(
    engine: StageEngine,
    remembered: {
      top: ByteString
      flat: boolean
      named?: NamedChanges
      states: readonly EncodedState[]
      memories: readonly EncodedState[]
    },
  ) {
    const state = new TreeState()
    for (const encoded of remembered.states) state.setEncoded(encoded)
    this.#feed = remembered.named && new ChangeFeed(remembered.named)
    const memories = new Map(remembered.memories)
    const { stager, databases } = engine.treeStager({ state, memories }, this.#feed)
    this.#engine = engine
    this.#top = remembered.top
    this.#flat = remembered.flat
    this.#stager = stager
    this.#databases = databases
  }

  survey(racyFromMs: number): SurveyReply {
    this.#surveyed = this.#flat ? this.#surveyTop(racyFromMs) : this.#stager.surveyAll(this.#top, racyFromMs)
    const isRead = (path: ByteString) => this.#feed?.rangesOf(path) === undefined
    const large = largeFilesOf(this.#surveyed).filter(({ path }) => isRead(path))
    return {
      toRead: toReadOf(this.#surveyed, (path) => this.#feed?.rangesOf(path)),
      large: large.filter(({ path }) => this.#isPlain(path)),
      databases: this.#engine.holdable(this.#surveyed),
    }
  }

  #surveyTop(racyFromMs: number): SurveyedDirectory[] {
    const top = this.#stager.surveyIfThere(this.#top, racyFromMs)
    return top === undefined ? [] : [top]
  }

  /** True for a file that is there and is no database. */
  #isPlain(path: ByteString): boolean {
    try {
      return !this.#engine.files.isDatabase(path)
    } catch (error) {
      if (this.#engine.mayVanish && isGone(error, path)) return false
      throw error
    }
  }

  async build(
    holdfs: Holdfs,
    { prepared, holds }: { readonly prepared: readonly PreparedFile[]; readonly holds: DatabaseHolds },
  ): Promise<BuildReply> {
    const { source, mayVanish } = this.#engine
    const fetched = await fetchAttributes(holdfs, source, wantedOf(this.#surveyed), mayVanish)
    this.#engine.files.prepare(prepared)
    this.#databases.hold(holds)
    if (this.#flat) for (const directory of this.#surveyed) this.#stager.buildUnlinked(directory, fetched)
    else {
      this.#stager.forgetUnmet(new Set(this.#surveyed.map(({ path }) => path)))
      this.#stager.build(this.#surveyed, fetched)
    }
    return {
      changed: toShared(
        [...this.#stager.changed].map(([path, state]) => [path, encodeDirectoryState(state)]),
      ),
      gone: this.#surveyed.length === 0 ? [this.#top, ...this.#stager.gone] : [...this.#stager.gone],
      memories: toShared(
        [...this.#databases.pending].map(([path, memory]) => [path, encodeDatabaseMemory(memory)]),
      ),
    }
  }
}

/** Copies in one block that other threads read in place: what crosses to them is a reference. */
function toShared(encoded: readonly EncodedState[]): EncodedState[] {
  const block = new SharedArrayBuffer(encoded.reduce((sum, [, bytes]) => sum + bytes.length, 0))
  let at = 0
  return encoded.map(([path, bytes]) => {
    const shared = new Uint8Array(block, at, bytes.length)
    shared.set(bytes)
    at += bytes.length
    return [path, shared]
  })
}

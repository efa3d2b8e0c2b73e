import type { Randomness } from '@holdfast/base/randomness'
import type { ByteString } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import type { ChunkIndex } from '../format/chunk-index.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type { DatabaseHolds, HoldableDatabase, HoldDatabases } from '../live-sqlite/database-hold.ts'
import { ChangeFeed, type NamedChanges } from '../scan/change-feed.ts'
import type { SurveyedDirectory } from '../scan/survey.ts'
import type { TreeState } from '../scan/tree-state.ts'
import type { Changes } from '../volume/volume.ts'
import { findChangedDirectories } from './changed-directories.ts'
import type { DatabaseMemory } from './database-memory.ts'
import type { DatabaseStager } from './database-stager.ts'
import { fetchAttributes } from './fetch-attributes.ts'
import { toReadOf } from './large-files.ts'
import { surveyListed } from './listed-survey.ts'
import type { ByteSpan } from './segments.ts'
import { type DatabaseMemories, StageEngine } from './stage-engine.ts'
import { runJobs, type StageJob } from './stage-jobs.ts'
import type { StageSession } from './stage-messages.ts'
import { StageMeter, type StageProgress } from './stage-meter.ts'
import type { StagePool } from './stage-pool.ts'
import { type TreeStager, wantedOf } from './tree-stager.ts'

/** Up to this many changed bytes are staged on the calling thread: starting others would take longer. */
const INLINE_BYTES_MAX = 16 << 20
/** A full survey goes to the staging threads when it meets more names than this. */
const INLINE_NAMES_MAX = 4000

export interface StageDeps {
  readonly pool: StagePool
  readonly holdfs: Holdfs
  readonly randomness: Randomness
  readonly known: ChunkIndex
  /** Stores a pack; staging goes on meanwhile and does not wait for it to succeed. */
  readonly onPack: (pack: BuiltPack) => Promise<void>
  /** Called with databases before they are read; absent where nothing is held. */
  readonly hold?: HoldDatabases | undefined
  readonly onProgress?: ((progress: StageProgress) => void) | undefined
}

export interface StageInput {
  readonly session: StageSession
  readonly state: TreeState
  readonly memories: DatabaseMemories
  readonly changes: Changes
  /** Those under which a database was captured before: it is read by what changed since. */
  readonly pins: ReadonlySet<string>
}

/** A staged tree: its chunks are in packs that are full or still open in `engine`. */
export interface StagedTree {
  readonly root: ChunkId
  readonly engine: StageEngine
  readonly stager: TreeStager
  /** What the databases leave for the next commit, by path. */
  readonly memories: DatabaseMemories
  readonly usedPacks: ReadonlySet<string>
  /** Those under which databases were captured. */
  readonly pins: ReadonlySet<string>
}

/** Stages what changed in a frozen image. The caller disposes of the engine. Rejects as reading and encoding do. */
export async function stageTree(deps: StageDeps, input: StageInput): Promise<StagedTree> {
  const engine = new StageEngine({ ...deps, onPack: (pack) => void deps.onPack(pack) }, input.session)
  try {
    return await new TreeStaging(deps, input, engine).run()
  } catch (error) {
    engine[Symbol.dispose]()
    throw error
  }
}

/** Directories to build on this thread if they are small, and jobs for the staging threads. */
interface Survey {
  readonly surveyed: readonly SurveyedDirectory[]
  readonly jobs: readonly StageJob[]
}

class TreeStaging {
  readonly #deps: StageDeps
  readonly #input: StageInput
  readonly #engine: StageEngine
  readonly #stager: TreeStager
  readonly #databases: DatabaseStager
  readonly #feed: ChangeFeed | undefined
  readonly #memories = new Map<ByteString, DatabaseMemory | Uint8Array>()
  readonly #usedPacks = new Set<string>()
  readonly #pins = new Set<string>()

  constructor(deps: StageDeps, input: StageInput, engine: StageEngine) {
    this.#deps = deps
    this.#input = input
    this.#engine = engine
    const { changes, state, memories } = input
    this.#feed = changes.kind === 'listed' && state.size > 0 ? new ChangeFeed(changes) : undefined
    const { stager, databases } = engine.treeStager({ state, memories }, this.#feed)
    this.#stager = stager
    this.#databases = databases
  }

  async run(): Promise<StagedTree> {
    const { surveyed, jobs } = await this.#survey()
    const holds = jobs.length > 0 ? NOTHING_HELD : await this.#hold(this.#engine.holdable(surveyed))
    const { bytes } = toReadOf(surveyed, (path) => this.#rangesOf(path, holds))
    if (jobs.length === 0 && bytes <= INLINE_BYTES_MAX) await this.#stageInline(surveyed, holds)
    else await this.#stagePooled([...jobs, ...this.#flatJobs(surveyed)])
    this.#stager.linkUp()
    const top = await fetchAttributes(this.#deps.holdfs, this.#engine.source, [
      { directory: '', name: '.', sparse: false },
    ])
    const root = this.#stager.root(top.get('.') ?? { xattrs: [] })
    for (const [path, memory] of this.#databases.pending) this.#memories.set(path, memory)
    for (const pack of this.#engine.sink.usedPacks) this.#usedPacks.add(pack)
    return {
      root,
      engine: this.#engine,
      stager: this.#stager,
      memories: this.#memories,
      usedPacks: this.#usedPacks,
      pins: this.#pins,
    }
  }

  async #survey(): Promise<Survey> {
    const { changes, session, state } = this.#input
    const { racyFromMs } = session
    if (changes.kind === 'listed' && this.#feed) {
      const deps = { stager: this.#stager, state, feed: this.#feed, racyFromMs }
      return { surveyed: surveyListed(deps, changes.directories), jobs: [] }
    }
    return state.size > 0 ? await this.#surveyChanged() : this.#surveyTop()
  }

  /** Surveys the directories that differ from the last commit; leaves that to the threads when they are many. */
  async #surveyChanged(): Promise<Survey> {
    const { source } = this.#engine
    const { state, session } = this.#input
    const surveyOne = (path: ByteString) => this.#stager.surveyIfThere(path, session.racyFromMs)
    const found = await findChangedDirectories({ ...this.#deps, source, state, surveyOne })
    this.#stager.forgetUnmet(found.met)
    if (found.changedNames > INLINE_NAMES_MAX)
      return { surveyed: [], jobs: found.changed.map((top) => ({ top, flat: true })) }
    const surveyed = found.changed.flatMap((path) => surveyOne(path) ?? [])
    const stayed = new Set(surveyed.map(({ path }) => path))
    this.#stager.forget(new Set(found.changed).difference(stayed), new Map())
    return { surveyed, jobs: [] }
  }

  /** Surveys from the root down until it has met enough names to share the rest. */
  #surveyTop(): Survey {
    const surveyed: SurveyedDirectory[] = []
    let names = 0
    const waiting: ByteString[] = ['']
    while (names < INLINE_NAMES_MAX) {
      const path = waiting.shift()
      if (path === undefined) break
      const directory = this.#stager.surveyIfThere(path, this.#input.session.racyFromMs)
      if (directory === undefined) continue
      surveyed.push(directory)
      names += directory.names.length
      waiting.push(...directory.subdirectories())
    }
    return { surveyed, jobs: waiting.map((top) => ({ top, flat: false })) }
  }

  /** What may differ in a file; undefined: all of it. */
  #rangesOf(path: ByteString, holds: DatabaseHolds): readonly ByteSpan[] | undefined {
    const hold = holds.get(path)
    if (hold?.kind === 'pinned' && this.#input.pins.has(hold.pin)) return hold.changed
    return this.#feed?.rangesOf(path)
  }

  async #stageInline(surveyed: readonly SurveyedDirectory[], holds: DatabaseHolds): Promise<void> {
    const { mayVanish } = this.#input.session
    const wanted = wantedOf(surveyed)
    const fetched = await fetchAttributes(this.#deps.holdfs, this.#engine.source, wanted, mayVanish)
    this.#databases.hold(holds)
    this.#stager.build(surveyed, fetched)
  }

  async #hold(databases: readonly HoldableDatabase[]): Promise<DatabaseHolds> {
    if (databases.length === 0 || this.#deps.hold === undefined) return NOTHING_HELD
    const holds = await this.#deps.hold(databases)
    for (const hold of holds.values()) if (hold.kind === 'pinned') this.#pins.add(hold.pin)
    return holds
  }

  async #stagePooled(jobs: readonly StageJob[]): Promise<void> {
    const meter = new StageMeter(jobs.length, (progress) => this.#deps.onProgress?.(progress))
    const staged = await runJobs({ ...this.#deps, hold: this.#hold.bind(this), meter }, this.#input, jobs)
    for (const { changed, gone, memories } of staged.builds) {
      this.#stager.adopt(changed, gone)
      for (const [path, memory] of memories) this.#memories.set(path, memory)
    }
    for (const pack of staged.usedPacks) this.#usedPacks.add(pack)
  }

  #flatJobs(surveyed: readonly SurveyedDirectory[]): StageJob[] {
    const named = this.#feed?.byDirectory()
    const changed = surveyed.filter((directory) => !directory.isUnchanged)
    return changed.map(({ path: top }) =>
      named ? { top, flat: true, named: named.get(top) ?? NOTHING_NAMED } : { top, flat: true },
    )
  }
}

const NOTHING_HELD: DatabaseHolds = new Map()
const NOTHING_NAMED: NamedChanges = { directories: new Set(), files: new Map(), moved: new Map() }

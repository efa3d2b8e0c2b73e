import { isFailure } from '@holdfast/base/failure'
import type { Remembered } from '../commit/committer.ts'
import { type ByteString, joinPath, toText } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import { contentBytes } from '../format/content.ts'
import type { DatabaseEntry, Entry } from '../format/entry.ts'
import type { Notice, NoticeReason } from '../format/generation-record.ts'
import { encodeDirectory, encodeEntry, type RawEntry } from '../format/tree-node.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import { readDirectory, readRoot } from '../read/tree-reader.ts'
import { type DirectoryState, packEntries, STAT_FIELDS } from '../scan/directory-state.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import { type SurveyedDirectory, type SurveyedKind, surveyDirectory } from '../scan/survey.ts'
import { TreeState } from '../scan/tree-state.ts'
import { seedDatabase } from './seed-database.ts'

export interface SeedRequest {
  readonly chunks: ChunkReader
  readonly root: ChunkId
  /** A directory that was restored from that root, or that it was committed from, and that nobody has written since. */
  readonly path: string
  /** As the survey takes it. */
  readonly racyFromMs: number
}

export type Seed = Pick<Remembered, 'state' | 'memories'>

/**
 * What a commit would remember of a directory that equals a generation, without reading its files again. Undefined
 * when the directory is other than the tree says: then the next commit reads every file. Rejects as reading does.
 */
export async function seedTreeState(request: SeedRequest): Promise<Seed | undefined> {
  using source = new SourceDirectory(request.path)
  try {
    return await new TreeSeed(request, source).run()
  } catch (error) {
    if (error instanceof Mismatch || isFailure(error, 'file-unstable', 'unsupported-file')) return undefined
    throw error
  }
}

/** The directory does not hold what the tree says. */
class Mismatch extends Error {}

class TreeSeed {
  readonly #request: SeedRequest
  readonly #source: SourceDirectory
  readonly #state = new TreeState()
  readonly #memories: Seed['memories'] = new Map()

  constructor(request: SeedRequest, source: SourceDirectory) {
    this.#request = request
    this.#source = source
  }

  async run(): Promise<Seed> {
    const { chunks, root } = this.#request
    const waiting: { path: ByteString; node: ChunkId }[] = [
      { path: '', node: (await readRoot(chunks, root)).node },
    ]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { path, node } = next
      const entries = await readDirectory(chunks, node)
      await this.#seed(path, entries, node)
      for (const entry of entries)
        if (entry.kind === 'directory') waiting.push({ path: joinPath(path, entry.name), node: entry.node })
    }
    return { state: this.#state, memories: this.#memories }
  }

  async #seed(path: ByteString, entries: readonly Entry[], node: ChunkId): Promise<void> {
    const { racyFromMs } = this.#request
    const survey = { source: this.#source, state: NOTHING_KNOWN, racyFromMs }
    const surveyed = surveyDirectory(survey, path)
    const state = directoryState(surveyed, entries)
    if (state.node !== node) throw new Mismatch()
    this.#state.set(path, state)
    for (const [index, name] of surveyed.names.entries()) {
      const entry = entries.find((candidate) => candidate.name === name)
      if (entry?.kind === 'file' && entry.link !== 0) this.#keepLink(surveyed.inodeOf(index), entry.link)
      if (entry?.kind === 'database') await this.#seedDatabase(joinPath(path, name), entry)
    }
  }

  /** Names of one file keep the number that they were committed with. */
  #keepLink(inode: number, link: number): void {
    if (inode !== link) this.#state.links.set(inode, link)
  }

  async #seedDatabase(path: ByteString, entry: DatabaseEntry): Promise<void> {
    const memory = await seedDatabase(this.#source, this.#request.chunks, { path, entry })
    if (memory) this.#memories.set(path, memory)
  }
}

const NOTHING_KNOWN = new TreeState()

function directoryState(surveyed: SurveyedDirectory, entries: readonly Entry[]): DirectoryState {
  const byName = new Map(entries.map((entry) => [entry.name, entry]))
  const raws: (RawEntry | undefined)[] = []
  const totals = { files: 0, bytes: 0, databases: 0 }
  const notices: Notice[] = []
  for (const [index, name] of surveyed.names.entries()) {
    const entry = byName.get(name)
    raws.push(entry && encodeEntry(entry))
    if (entry === undefined) notices.push(...noticesOf(surveyed, index, byName))
    else checkEntry(surveyed, index, entry)
    if (entry?.kind === 'file' || entry?.kind === 'database') {
      totals.files++
      totals.bytes += surveyed.bytesOf(index)
      if (entry.kind === 'database') totals.databases++
    }
  }
  const present = raws.filter((raw) => raw !== undefined)
  if (present.length !== entries.length) throw new Mismatch()
  const { names, stats } = surveyed
  return { names, stats, ...packEntries(raws), node: encodeDirectory(present).id, totals, notices }
}

const SKIPPED: Readonly<Partial<Record<SurveyedKind, NoticeReason>>> = {
  fifo: 'fifo-skipped',
  socket: 'socket-skipped',
  subvolume: 'subvolume-skipped',
}

/** Why a name has no entry; a name that should have one is a mismatch. */
function noticesOf(
  surveyed: SurveyedDirectory,
  index: number,
  byName: ReadonlyMap<ByteString, Entry>,
): Notice[] {
  const name = surveyed.names[index] ?? ''
  const reason = SKIPPED[surveyed.kindOf(index)]
  if (reason !== undefined) return [{ path: toText(joinPath(surveyed.path, name)), reason }]
  const database = /^(.*)-(wal|shm)$/s.exec(name)?.[1]
  if (database === undefined || byName.get(database)?.kind !== 'database') throw new Mismatch()
  return []
}

const KIND: Readonly<Record<Entry['kind'], SurveyedKind>> = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  database: 'file',
}
/** A stat field in milliseconds is exact to a quarter of a microsecond. */
const MTIME_MS_ERROR = 0.001

function checkEntry(surveyed: SurveyedDirectory, index: number, entry: Entry): void {
  const mtimeMs = surveyed.stats[index * STAT_FIELDS + 2] ?? Number.NaN
  const isSameTime = Math.abs(mtimeMs - Number(entry.attributes.mtimeNs) / 1e6) < MTIME_MS_ERROR
  const isSameSize = entry.kind !== 'file' || surveyed.bytesOf(index) === contentBytes(entry.content)
  if (surveyed.kindOf(index) !== KIND[entry.kind] || !isSameTime || !isSameSize) throw new Mismatch()
}

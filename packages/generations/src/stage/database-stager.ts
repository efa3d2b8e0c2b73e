import { type BigIntStats, closeSync, fstatSync, readSync } from 'node:fs'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { type ByteString, toText } from '../format/byte-string.ts'
import { type Content, contentBytes, type Part } from '../format/content.ts'
import type { DatabaseEntry, DeltaRef } from '../format/entry.ts'
import type { DatabaseHold, DatabaseHolds } from '../live-sqlite/database-hold.ts'
import { sourceFailure } from '../scan/survey.ts'
import { changedPages, type FileChanges } from '../sqlite/changed-pages.ts'
import { type DatabaseState, databaseState } from '../sqlite/database-state.ts'
import { advance, encodeDelta, startOf } from '../sqlite/encode-delta.ts'
import { fileReader } from '../sqlite/file-reader.ts'
import { DatabaseChecksum } from '../sqlite/page-checksum.ts'
import type { ChunkSink } from './chunk-sink.ts'
import { type DatabaseMemory, decodeDatabaseMemory, type FileMark } from './database-memory.ts'
import { planDelta } from './delta-plan.ts'
import { type FileStager, hasDatabaseMagic } from './file-stager.ts'
import { type ByteSpan, spillLists } from './segments.ts'

/** The base of a page log is cut at multiples of this: a new base shares what did not change with the old one. */
const BASE_CHUNK_BYTES = 64 * 1024
/** A delta's bytes are cut into chunks of this size. */
const DELTA_CHUNK_BYTES = 512 * 1024
const READ_ATTEMPTS_MAX = 3

export interface DatabaseRequest {
  readonly path: ByteString
  readonly hasWal: boolean
  /** The entry of the last commit. */
  readonly previous: DatabaseEntry | undefined
  /** Ranges of the main file that may have changed since the entry, none if it has not; undefined: unknown. */
  readonly changed: readonly ByteSpan[] | undefined
}

export interface StagedDatabase {
  readonly state: Omit<DatabaseEntry, 'name' | 'attributes'>
  readonly stats: BigIntStats
}

/** Reads SQLite databases, each with its WAL, into page logs. */
export class DatabaseStager {
  readonly #files: FileStager
  readonly #sink: ChunkSink
  readonly #memories: ReadonlyMap<ByteString, DatabaseMemory | Uint8Array>
  #holds: DatabaseHolds = new Map()
  /** What this commit leaves for the next one; taken over when it holds. */
  readonly pending = new Map<ByteString, DatabaseMemory>()

  constructor(deps: {
    readonly files: FileStager
    readonly sink: ChunkSink
    readonly memories: ReadonlyMap<ByteString, DatabaseMemory | Uint8Array>
  }) {
    this.#files = deps.files
    this.#sink = deps.sink
    this.#memories = deps.memories
  }

  /** Takes what is known of databases that others may write meanwhile. */
  hold(holds: DatabaseHolds): void {
    this.#holds = holds
  }

  /** True for a database whose bytes are of no one instant now. */
  isBusy(path: ByteString): boolean {
    return this.#holds.get(path)?.kind === 'busy'
  }

  /** The database at a path, or undefined for a file that is none. Rejects with `file-unstable` and as files do. */
  stage(request: DatabaseRequest): StagedDatabase | undefined {
    const main = this.#files.open(request.path)
    try {
      if (!request.previous && !hasDatabaseMagic(main, request.path)) return undefined
      const wal = request.hasWal ? this.#files.open(`${request.path}-wal`) : undefined
      try {
        return this.#stageSteadily(request, main, wal)
      } finally {
        if (wal !== undefined) closeSync(wal)
      }
    } finally {
      closeSync(main)
    }
  }

  #stageSteadily(
    request: DatabaseRequest,
    main: number,
    wal: number | undefined,
  ): StagedDatabase | undefined {
    const isHeld = this.#holds.has(request.path)
    for (let attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt++) {
      const before = markFiles(main, wal)
      const isSteady = () => isSame(before, markFiles(main, wal), isHeld)
      try {
        const staged = this.#stageOnce(request, main, wal)
        if (isSteady()) return staged
      } catch (error) {
        // Files that are cut short meanwhile read as nonsense: what that leads to is a failure only of files that rest.
        if (isSteady()) throw readFailure(error, request.path)
      }
    }
    const path = toText(request.path)
    throw new Failure(
      'file-unstable',
      `${path} was checkpointed each of ${READ_ATTEMPTS_MAX} times it was read`,
      { path },
    )
  }

  #stageOnce(request: DatabaseRequest, main: number, wal: number | undefined): StagedDatabase | undefined {
    const memory = this.#memory(request)
    const image = databaseState({
      database: fileReader(main),
      wal: wal === undefined ? undefined : fileReader(wal),
      earlier: memory?.captured.walEnd,
    })
    if (image.kind !== 'database') return undefined
    const stats = fstatSync(main, { bigint: true })
    const mainFile = fileMark(stats)
    const hold = pinOf(this.#holds.get(request.path), mainFile)
    const capture = { path: request.path, state: image.state, mainFile, pin: hold?.pin }
    const { previous } = request
    const fileChanges = memory && fileChangesOf(memory, mainFile, request.changed, hold)
    const logged = previous && fileChanges && this.#extendLog(capture, { previous, memory, fileChanges })
    return { state: logged ?? this.#startLog(capture), stats }
  }

  /** The memory of the last capture, if it is that of the committed entry. */
  #memory({ path, previous }: DatabaseRequest): DatabaseMemory | undefined {
    const held = this.#memories.get(path)
    const memory = held instanceof Uint8Array ? decodeDatabaseMemory(held) : held
    const fits =
      memory?.checksum.value === previous?.checksum && memory?.checksum.pageBytes === previous?.pageBytes
    return fits && memory?.deltas.length === previous?.deltas.length ? memory : undefined
  }

  /** The log with one delta more; undefined when a new base is the better choice. */
  #extendLog(
    capture: DatabaseCapture,
    last: { previous: DatabaseEntry; memory: DatabaseMemory; fileChanges: FileChanges },
  ): StagedDatabase['state'] | undefined {
    const { state } = capture
    const { previous, memory, fileChanges } = last
    if (memory.checksum.pageBytes !== state.pageBytes) return undefined
    const candidates = changedPages({ previous: memory.captured, current: state, fileChanges })
    const checksum = memory.checksum.clone()
    const changed = advance(checksum, state, candidates)
    if (checksum.value === previous.checksum && checksum.pageCount === previous.pageCount) {
      this.#remember(capture, checksum, memory.deltas)
      return previous
    }
    const plan = planDelta(previous.deltas, memory.deltas, changed)
    const { pageCountBefore, checksumBefore } = memory.deltas[plan.kept] ?? startOf(memory.checksum)
    const start = { pageCountBefore, checksumBefore }
    const pages = plan.pages.filter((page) => page <= state.pageCount)
    const content = this.#putDelta(encodeDelta(state, checksum, { start, pages }))
    const deltas: DeltaRef[] = [...previous.deltas.slice(0, plan.kept), { level: plan.level, content }]
    if (
      deltas.reduce((sum, delta) => sum + contentBytes(delta.content), 0) >
      state.pageCount * state.pageBytes
    )
      return undefined
    this.#remember(capture, checksum, [...memory.deltas.slice(0, plan.kept), { pages, ...start }])
    return { ...logState(state, checksum), base: previous.base, deltas }
  }

  #putDelta(bytes: Uint8Array): Content {
    const parts: Part[] = []
    for (let start = 0; start < bytes.length; start += DELTA_CHUNK_BYTES) {
      const chunk = bytes.subarray(start, start + DELTA_CHUNK_BYTES)
      parts.push({ kind: 'chunk', bytes: chunk.length, id: this.#sink.put(chunk, 'pages') })
    }
    return spillLists(parts, (node) => this.#sink.putNode(node))
  }

  /** A log that consists of a base alone: all pages of the database as they are now. */
  #startLog(capture: DatabaseCapture): StagedDatabase['state'] {
    const { state } = capture
    const checksum = new DatabaseChecksum(state.pageBytes)
    const base = new BaseWriter(this.#sink, state)
    state.eachPage((page, bytes) => {
      checksum.replacePage(page, bytes)
      base.page(page, bytes)
    })
    checksum.resize(state.pageCount)
    this.#remember(capture, checksum, [])
    return { ...logState(state, checksum), base: base.finish(), deltas: [] }
  }

  #remember(
    { path, state, mainFile, pin }: DatabaseCapture,
    checksum: DatabaseChecksum,
    deltas: DatabaseMemory['deltas'],
  ): void {
    const { pageBytes, pageCount, overlaidPages, walEnd } = state
    this.pending.set(path, {
      checksum,
      captured: { pageBytes, pageCount, overlaidPages, walEnd },
      mainFile,
      pin,
      deltas,
    })
  }
}

/** A system error about the source as a named failure; any other error as it is. */
function readFailure(error: unknown, path: ByteString): unknown {
  const isSystemError = /^E(?!RR_)/.test(errnoOf(error) ?? '')
  return isSystemError ? sourceFailure(error, path, 'read') : error
}

interface DatabaseCapture {
  readonly path: ByteString
  readonly state: DatabaseState
  readonly mainFile: FileMark
  readonly pin: string | undefined
}

type Pin = Extract<DatabaseHold, { kind: 'pinned' }>

/** The pin of this very file. */
function pinOf(hold: DatabaseHold | undefined, mainFile: FileMark): Pin | undefined {
  return hold?.kind === 'pinned' && hold.inode === mainFile.inode ? hold : undefined
}

/** Cuts the pages of a base, given in order, into chunks of one size. The lock page is given to nobody: it is zeros. */
class BaseWriter {
  readonly #sink: ChunkSink
  readonly #bytes: number
  readonly #pageBytes: number
  readonly #chunk = Buffer.alloc(BASE_CHUNK_BYTES)
  readonly #parts: Part[] = []
  #start = 0

  constructor(sink: ChunkSink, state: DatabaseState) {
    this.#sink = sink
    this.#bytes = state.pageCount * state.pageBytes
    this.#pageBytes = state.pageBytes
  }

  page(page: number, bytes: Uint8Array): void {
    const at = (page - 1) * this.#pageBytes
    while (at >= this.#start + BASE_CHUNK_BYTES) this.#close()
    this.#chunk.set(bytes, at - this.#start)
  }

  finish(): Content {
    while (this.#start < this.#bytes) this.#close()
    return spillLists(this.#parts, (node) => this.#sink.putNode(node))
  }

  #close(): void {
    const bytes = Math.min(BASE_CHUNK_BYTES, this.#bytes - this.#start)
    this.#parts.push({ kind: 'chunk', bytes, id: this.#sink.put(this.#chunk.subarray(0, bytes), 'pages') })
    this.#start += bytes
    this.#chunk.fill(0)
  }
}

function logState(state: DatabaseState, checksum: DatabaseChecksum) {
  return {
    kind: 'database',
    pageBytes: state.pageBytes,
    pageCount: state.pageCount,
    checksum: checksum.value,
  } as const
}

/** A file that was found unchanged may have been written since, and one of the same mark within a tick of the clock. */
function fileChangesOf(
  { mainFile: before, pin }: DatabaseMemory,
  now: FileMark,
  changed: readonly ByteSpan[] | undefined,
  held: Pin | undefined,
): FileChanges {
  if (before.inode !== now.inode) return 'unknown'
  if (held !== undefined && held.pin === pin) return toRanges(held.changed)
  const same = before.bytes === now.bytes && before.mtimeNs === now.mtimeNs && before.ctimeNs === now.ctimeNs
  return changed !== undefined && (same || changed.length > 0) ? toRanges(changed) : 'unknown'
}

function toRanges(spans: readonly ByteSpan[]): FileChanges {
  return spans.map(({ start, end }) => ({ offset: start, length: end - start }))
}

function fileMark(stats: BigIntStats): FileMark {
  return {
    inode: Number(stats.ino),
    bytes: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
  }
}

/** What must not change while a database is read: the main file, and the beginning of the WAL, which names its run. */
interface FilesMark {
  readonly main: FileMark
  readonly walHead: Buffer
}

function markFiles(main: number, wal: number | undefined): FilesMark {
  const walHead = Buffer.alloc(32)
  if (wal !== undefined) readSync(wal, walHead, 0, walHead.length, 0)
  return { main: fileMark(fstatSync(main, { bigint: true })), walHead }
}

/** Under a hold, checkpoints bring nothing into the main file that the WAL does not show as well. */
function isSame(before: FilesMark, after: FilesMark, isHeld: boolean): boolean {
  if (!before.walHead.equals(after.walHead)) return false
  return (
    isHeld ||
    (before.main.bytes === after.main.bytes &&
      before.main.mtimeNs === after.main.mtimeNs &&
      before.main.ctimeNs === after.main.ctimeNs)
  )
}

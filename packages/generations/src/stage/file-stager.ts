import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'
import { cutPoints } from '../chunk/fast-cdc.ts'
import { type ByteString, toText } from '../format/byte-string.ts'
import type { Content, Part } from '../format/content.ts'
import type { SourceDirectory } from '../scan/source-directory.ts'
import { sourceFailure } from '../scan/survey.ts'
import type { ChunkSink } from './chunk-sink.ts'
import { DensityProbe } from './density.ts'
import {
  type ByteSpan,
  covers,
  joinSegments,
  reusableParts,
  SEGMENT_BYTES,
  segmentsOf,
  spillLists,
} from './segments.ts'
import type { PreparedFile } from './stage-messages.ts'

/** Files below this are one chunk: compression in groups gains more than finding a change inside. */
const WHOLE_FILE_BYTES_MAX = 256 * 1024
/** The buffer for whole files begins with this: most files are smaller. */
const SMALL_BYTES_FIRST = 16 * 1024
/** How often a file that changes while it is read is read: a small one is soon read between two writes. */
const READ_ATTEMPTS_MAX = { small: 32, large: 3 }

/** A file's stat fields when it was surveyed: what was learnt of it since holds only while these stand. */
export interface SurveyedFile {
  readonly bytes: number
  readonly mtimeMs: number
  /** Not a number for a file that may change once more unnoticed. */
  readonly ctimeMs: number
}

export interface FileRequest {
  readonly path: ByteString
  readonly surveyed: SurveyedFile
  /** Data spans when the file has holes; absent: all of it is data. */
  readonly spans?: readonly ByteSpan[] | undefined
  /** The content of the last commit and the ranges that may differ from it; absent: all of it may differ. */
  readonly previous?: { readonly content: Content; readonly changed: readonly ByteSpan[] } | undefined
}

export interface StagedFile {
  readonly content: Content
  /** The stat fields that belong to the content. */
  readonly stats: BigIntStats
  /** The file only grew while it was read; the content is its beginning. */
  readonly appended: boolean
}

/** Reads regular files into chunks. */
export class FileStager {
  readonly #source: SourceDirectory
  readonly #sink: ChunkSink
  readonly #density = new DensityProbe()
  #small = Buffer.allocUnsafeSlow(SMALL_BYTES_FIRST)
  readonly #prepared = new Map<ByteString, PreparedFile>()
  #large: Buffer | undefined

  constructor(source: SourceDirectory, sink: ChunkSink) {
    this.#source = source
    this.#sink = sink
  }

  /**
   * The file in chunks, or `database` for one that begins like a SQLite database and is none of this method's. Rejects
   * with `file-unstable` for a file that never stays still, with `no-permission` or `source-failed`.
   */
  stage(request: FileRequest): StagedFile | 'database' {
    const fd = this.open(request.path)
    try {
      const isReadInParts = request.surveyed.bytes >= WHOLE_FILE_BYTES_MAX || request.spans !== undefined
      if (isReadInParts && hasDatabaseMagic(fd, request.path)) return 'database'
      return this.#stageOpen(fd, request, true)
    } finally {
      closeSync(fd)
    }
  }

  /** As `stage`, for a file that only looks like a database. */
  stageAnyway(request: FileRequest): StagedFile {
    const fd = this.open(request.path)
    try {
      const staged = this.#stageOpen(fd, request, false)
      if (staged === 'database') throw new Failure('internal', 'a file is staged as what it is')
      return staged
    } finally {
      closeSync(fd)
    }
  }

  /** Takes files whose segments other threads have read. */
  prepare(files: readonly PreparedFile[]): void {
    for (const file of files) this.#prepared.set(file.path, file)
  }

  /** Reads one segment of a large file; undefined if the file ends inside it. */
  stageSegment(path: ByteString, span: ByteSpan): Content | undefined {
    const fd = this.open(path)
    try {
      return this.#readSegment(fd, path, span)
    } finally {
      closeSync(fd)
    }
  }

  isDatabase(path: ByteString): boolean {
    const head = Buffer.alloc(DATABASE_MAGIC.length)
    this.readHead(path, head)
    return head.equals(DATABASE_MAGIC)
  }

  /** Fills `head` with the beginning of a file, as far as it goes. */
  readHead(path: ByteString, head: Buffer): void {
    const fd = this.open(path)
    try {
      readSync(fd, head, 0, head.length, 0)
    } catch (error) {
      throw sourceFailure(error, path, 'read')
    } finally {
      closeSync(fd)
    }
  }

  /** The file, opened without following a link that took its place. */
  open(path: ByteString): number {
    try {
      return openSync(
        this.#source.resolve(path),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      )
    } catch (error) {
      throw sourceFailure(error, path, 'open')
    }
  }

  #stageOpen(fd: number, request: FileRequest, wary: boolean): StagedFile | 'database' {
    let before = request.surveyed
    let grewOnly = true
    for (let attempt = 1; ; attempt++) {
      const content = this.#read(fd, attempt === 1 ? request : withoutHints(request), {
        bytes: before.bytes,
        wary,
      })
      if (content === 'database') return content
      const stats = fstatSync(fd, { bigint: true })
      const after = surveyedOf(stats)
      if (content && isUntouched(before, after)) return { content, stats, appended: false }
      grewOnly &&= after.bytes > before.bytes
      if (attempt >= readAttemptsMax(stats)) {
        if (content && grewOnly) return { content, stats, appended: true }
        const path = toText(request.path)
        throw new Failure('file-unstable', `${path} changed each time it was read`, { path })
      }
      before = after
    }
  }

  #read(
    fd: number,
    request: FileRequest,
    { bytes, wary }: { bytes: number; wary: boolean },
  ): Content | 'database' | undefined {
    if (bytes === 0) return []
    const prepared = this.#prepared.get(request.path)
    if (prepared?.bytes === bytes && prepared.mtimeMs === request.surveyed.mtimeMs)
      return this.#spill(prepared.content)
    if (bytes < WHOLE_FILE_BYTES_MAX && request.spans === undefined)
      return this.#readWhole(fd, request.path, { bytes, wary })
    return this.#readSegments(fd, request, bytes)
  }

  #readWhole(
    fd: number,
    path: ByteString,
    { bytes, wary }: { bytes: number; wary: boolean },
  ): Content | 'database' | undefined {
    if (bytes > this.#small.length) this.#small = Buffer.allocUnsafeSlow(WHOLE_FILE_BYTES_MAX)
    const buffer = this.#small.subarray(0, bytes)
    if (!this.#fill(fd, path, buffer, 0)) return undefined
    if (wary && buffer.subarray(0, DATABASE_MAGIC.length).equals(DATABASE_MAGIC)) return 'database'
    return [
      {
        kind: 'chunk',
        bytes,
        id: this.#sink.put(buffer, this.#density.looksDense(buffer) ? 'dense' : 'text'),
      },
    ]
  }

  #readSegments(fd: number, request: FileRequest, bytes: number): Content | undefined {
    const spans = request.spans ?? [{ start: 0, end: bytes }]
    const reusable = request.previous
      ? reusableParts(request.previous.content, request.previous.changed)
      : new Map<number, Part>()
    const staged: { span: ByteSpan; parts: Content }[] = []
    for (const span of segmentsOf(cutSpans(spans, bytes))) {
      const kept = reusable.get(span.start)
      const parts = covers(kept, span) ? [kept] : this.#readSegment(fd, request.path, span)
      if (parts === undefined) return undefined
      staged.push({ span, parts })
    }
    return this.#spill(joinSegments(staged, bytes))
  }

  #spill(content: Content): Content {
    return spillLists(content, (node) => this.#sink.putNode(node))
  }

  /** Cuts one segment into chunks by content; undefined if the file ends inside it. */
  #readSegment(fd: number, path: ByteString, span: ByteSpan): Part[] | undefined {
    this.#large ??= Buffer.allocUnsafeSlow(SEGMENT_BYTES)
    const buffer = this.#large.subarray(0, span.end - span.start)
    if (!this.#fill(fd, path, buffer, span.start)) return undefined
    const parts: Part[] = []
    let start = 0
    for (const end of cutPoints(buffer)) {
      const chunk = buffer.subarray(start, end)
      parts.push({
        kind: 'chunk',
        bytes: end - start,
        id: this.#sink.put(chunk, this.#density.looksDense(chunk) ? 'dense' : 'text'),
      })
      start = end
    }
    return parts
  }

  #fill(fd: number, path: ByteString, buffer: Buffer, position: number): boolean {
    let filled = 0
    try {
      while (filled < buffer.length) {
        const read = readSync(fd, buffer, filled, buffer.length - filled, position + filled)
        if (read === 0) return false
        filled += read
      }
    } catch (error) {
      throw sourceFailure(error, path, 'read')
    }
    return true
  }
}

function cutSpans(spans: readonly ByteSpan[], bytes: number): ByteSpan[] {
  return spans
    .filter((span) => span.start < bytes)
    .map(({ start, end }) => ({ start, end: Math.min(end, bytes) }))
}

/** What was learnt before the file changed does not hold any more. */
function withoutHints({ path, surveyed }: FileRequest): FileRequest {
  return { path, surveyed: { ...surveyed, mtimeMs: Number.NaN } }
}

function surveyedOf(stats: BigIntStats): SurveyedFile {
  return {
    bytes: Number(stats.size),
    mtimeMs: milliseconds(stats.mtimeNs),
    ctimeMs: milliseconds(stats.ctimeNs),
  }
}

/** As Node computes the milliseconds of a stat. */
function milliseconds(ns: bigint): number {
  return Number(ns / 1_000_000_000n) * 1000 + Number(ns % 1_000_000_000n) / 1_000_000
}

/** Holes that nobody has looked up since a file changed may be terabytes: it is not read again without them. */
function readAttemptsMax({ blocks, size }: BigIntStats): number {
  if (size < WHOLE_FILE_BYTES_MAX) return READ_ATTEMPTS_MAX.small
  return blocks * 512n < size ? 1 : READ_ATTEMPTS_MAX.large
}

/** A surveyed ctime that is not a number is not compared: the mtime moves with every write. */
function isUntouched(before: SurveyedFile, after: SurveyedFile): boolean {
  const sameCtime = Number.isNaN(before.ctimeMs) || before.ctimeMs === after.ctimeMs
  return before.bytes === after.bytes && before.mtimeMs === after.mtimeMs && sameCtime
}

/** What every SQLite database begins with that is not encrypted. */
export const DATABASE_MAGIC = Buffer.from('SQLite format 3\0', 'latin1')

/** True if a file begins as a SQLite database does. Rejects as every read of the source. */
export function hasDatabaseMagic(fd: number, path: ByteString): boolean {
  const first = Buffer.alloc(DATABASE_MAGIC.length)
  try {
    return readSync(fd, first, 0, first.length, 0) === first.length && first.equals(DATABASE_MAGIC)
  } catch (error) {
    throw sourceFailure(error, path, 'read')
  }
}

import { readdirSync, readFileSync } from 'node:fs'
import { appendFile, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { decodePieces, encodePieces, type OutputPiece, type OutputStream } from './output-frames.ts'

const RING_BYTES_DEFAULT = 16 << 20
/** A ring is dropped in so many parts, oldest first. */
const SEGMENTS = 16
const PIECE_BYTES_MAX = 64 * 1024
/** What a slow disk has not taken yet; whoever writes more waits. */
const HELD_BYTES_MAX = 1 << 20
/** What is written in little pieces is put together for so long. */
const GATHER_MS = 20
const GATHER_BYTES = 128 * 1024

interface Segment {
  readonly first: number
  last: number
  bytes: number
}

export type RingEvent =
  | { readonly kind: 'piece'; readonly piece: OutputPiece }
  /** What lay between was dropped. */
  | { readonly kind: 'gap'; readonly fromSequence: number; readonly toSequence: number }

export interface OutputRingOptions {
  readonly clock: Clock
  /** Holds the segments and nothing else; made with the first of them. */
  readonly folder: string
  readonly bytesMax?: number
  /** Of a command that has never run: nothing is looked for, and what lies there is another's. */
  readonly isNew?: boolean
}

/**
 * The last part of a command's output, on disk. Sequence numbers begin with 1 and are never used twice; nothing is
 * synced: after a crash of the machine the commands are lost, and with them what they wrote last.
 */
export class OutputRing {
  readonly #options: OutputRingOptions
  readonly #bytesMax: number
  #segments: Segment[]
  /** Not on disk yet. */
  #held: OutputPiece[] = []
  #heldBytes = 0
  #lastSequence: number
  #flushing: Promise<void> | undefined
  #isGathering = false
  #isOnDisk: boolean
  #news = Promise.withResolvers<void>()

  /** Finds what an earlier process left. */
  constructor(options: OutputRingOptions) {
    this.#options = options
    this.#bytesMax = options.bytesMax ?? RING_BYTES_DEFAULT
    this.#isOnDisk = options.isNew !== true
    this.#segments = this.#isOnDisk ? loadSegments(options.folder) : []
    this.#lastSequence = this.#segments.at(-1)?.last ?? 0
  }

  get lastSequence(): number {
    return this.#lastSequence
  }

  /** Resolves when something was appended after the call, or `wake` was called. */
  get news(): Promise<void> {
    return this.#news.promise
  }

  /** Lets followers look again. */
  wake(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }

  /** Resolves when more may be appended. */
  async append(stream: OutputStream, bytes: Uint8Array): Promise<void> {
    const at = this.#options.clock.wallMs()
    for (let offset = 0; offset < bytes.length; offset += PIECE_BYTES_MAX) {
      this.#lastSequence++
      const piece = bytes.subarray(offset, offset + PIECE_BYTES_MAX)
      this.#held.push({ sequence: this.#lastSequence, stream, at, bytes: piece })
    }
    this.#heldBytes += bytes.length
    this.wake()
    if (this.#heldBytes >= GATHER_BYTES) void this.flush()
    else this.#gather()
    if (this.#heldBytes >= Math.min(HELD_BYTES_MAX, this.#bytesMax / 4)) await this.flush()
  }

  /** Everything appended so far is in its file, or dropped where that fails. */
  async flush(): Promise<void> {
    while (this.#held.length > 0) {
      this.#flushing ??= this.#flushHeld().finally(() => {
        this.#flushing = undefined
      })
      await this.#flushing
    }
  }

  /** What comes after a sequence number, as far as it is there. */
  async *read(after: number): AsyncGenerator<RingEvent> {
    for (let next = after + 1; next <= this.#lastSequence; ) {
      const pieces = await this.#piecesFrom(next)
      const first = pieces[0]
      if (first === undefined) {
        if (this.#has(next)) continue // dropped while it was read
        yield { kind: 'gap', fromSequence: next, toSequence: this.#lastSequence }
        return
      }
      if (first.sequence > next) yield { kind: 'gap', fromSequence: next, toSequence: first.sequence - 1 }
      for (const piece of pieces) yield { kind: 'piece', piece }
      next = (pieces.at(-1) ?? first).sequence + 1
    }
  }

  #has(sequence: number): boolean {
    return this.#held.length > 0 || this.#segments.some(({ last }) => last >= sequence)
  }

  async remove(): Promise<void> {
    await this.flush()
    if (this.#isOnDisk) await rm(this.#options.folder, { recursive: true, force: true })
  }

  #gather(): void {
    if (this.#isGathering) return
    this.#isGathering = true
    void this.#options.clock.sleep(GATHER_MS).then(() => {
      this.#isGathering = false
      return this.flush()
    })
  }

  async #flushHeld(): Promise<void> {
    const pieces = this.#takeUpTo(this.#bytesMax / SEGMENTS)
    const [first, last] = [pieces[0], pieces.at(-1)]
    if (first === undefined || last === undefined) return
    const bytes = encodePieces(pieces)
    const segment = this.#segmentFor(first.sequence)
    try {
      if (this.#segments.length === 0) await this.#makeFolder()
      await appendFile(this.#pathOf(segment), bytes, { mode: 0o600 })
      segment.last = last.sequence
      segment.bytes += bytes.length
      if (!this.#segments.includes(segment)) this.#segments.push(segment)
    } catch {
      // A disk that takes no output leaves a gap; what follows begins another segment.
      const current = this.#segments.at(-1)
      if (current) current.bytes = this.#bytesMax
    }
    this.#held.splice(0, pieces.length)
    this.#heldBytes -= pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)
    await this.#dropOldest()
  }

  async #makeFolder(): Promise<void> {
    const { folder } = this.#options
    if (!this.#isOnDisk) await rm(folder, { recursive: true, force: true })
    this.#isOnDisk = true
    await mkdir(folder, { recursive: true, mode: 0o700 })
  }

  /** The oldest that are held: what is dropped together is written together. */
  #takeUpTo(bytesMax: number): OutputPiece[] {
    let bytes = 0
    const end = this.#held.findIndex((piece) => {
      bytes += piece.bytes.length
      return bytes > bytesMax
    })
    return end < 0 ? [...this.#held] : this.#held.slice(0, Math.max(1, end))
  }

  #segmentFor(sequence: number): Segment {
    const current = this.#segments.at(-1)
    if (current && current.bytes < this.#bytesMax / SEGMENTS && current.last === sequence - 1) return current
    return { first: sequence, last: sequence - 1, bytes: 0 }
  }

  async #dropOldest(): Promise<void> {
    let bytes = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0)
    while (bytes > this.#bytesMax && this.#segments.length > 1) {
      const oldest = this.#segments.shift()
      if (oldest === undefined) return
      bytes -= oldest.bytes
      await rm(this.#pathOf(oldest), { force: true })
    }
  }

  async #piecesFrom(sequence: number): Promise<OutputPiece[]> {
    const segment = this.#segments.find(({ last }) => last >= sequence)
    if (segment === undefined) return this.#held.filter((piece) => piece.sequence >= sequence)
    const { first, last } = segment
    const bytes = await readFile(this.#pathOf(segment)).catch(() => undefined)
    if (bytes === undefined) {
      this.#segments = this.#segments.filter((kept) => kept !== segment)
      return []
    }
    return decodePieces(bytes, first).filter((piece) => piece.sequence >= sequence && piece.sequence <= last)
  }

  #pathOf({ first }: Segment): string {
    return join(this.#options.folder, String(first))
  }
}

function loadSegments(folder: string): Segment[] {
  const segments: Segment[] = []
  for (const first of listNumbers(folder)) {
    const bytes = readFileSync(join(folder, String(first)))
    const last = decodePieces(bytes, first).at(-1)?.sequence
    if (last !== undefined) segments.push({ first, last, bytes: bytes.length })
  }
  return segments
}

function listNumbers(folder: string): number[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^[1-9]\d{0,14}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b)
  } catch {
    return []
  }
}

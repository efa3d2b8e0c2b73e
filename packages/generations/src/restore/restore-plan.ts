import { type ByteString, parentPath } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import type { TableFrame } from '../format/chunk-table.ts'
import { type Content, contentBytes, type Part } from '../format/content.ts'
import type { DatabaseEntry, Entry, FileEntry, SymlinkEntry } from '../format/entry.ts'
import { type ChunkReader, checkLength } from '../read/chunk-reader.ts'
import { walkTree } from '../read/walk-tree.ts'

/** A chunk's way from a frame into a file. */
export interface Piece {
  readonly id: ChunkId
  /** Where the chunk lies in the raw frame. */
  readonly offset: number
  readonly bytes: number
  readonly path: ByteString
  /** Where it goes in the file. */
  readonly position: number
  /** The chunk is the whole file, which does not exist yet. */
  readonly whole: boolean
  /** The size of a page in the base of a database, 0 in a file. */
  readonly pageBytes: number
}

/** The file that the pieces of a content make. */
type PieceFile = Pick<Piece, 'path' | 'whole' | 'pageBytes'>

export interface PlannedFrame {
  readonly frame: TableFrame
  readonly pieces: Piece[]
}

type ChunkPart = Extract<Part, { readonly kind: 'chunk' }>

export interface Placed<E extends Entry> {
  readonly path: ByteString
  readonly entry: E
}

/**
 * A restore as a list of steps: directories from the top down, empty and partial files at their final size, the
 * pieces of each frame, database deltas, then links, then attributes from the leaves up. Nothing is written through a
 * link, since links come when all files are there.
 */
export interface RestorePlan {
  readonly directories: readonly ByteString[]
  /** Files that are made at their size before pieces are written into them; what no piece fills stays a hole. */
  readonly prepared: readonly { readonly path: ByteString; readonly bytes: number }[]
  /** By pack name, then by number of the frame. */
  readonly packs: ReadonlyMap<string, ReadonlyMap<number, PlannedFrame>>
  readonly databases: readonly Placed<DatabaseEntry>[]
  readonly symlinks: readonly Placed<SymlinkEntry>[]
  /** Further names of files that exist under another. */
  readonly links: readonly { readonly path: ByteString; readonly target: ByteString }[]
  /** Every entry by directory, each directory after all that is in it. */
  readonly attributes: readonly (readonly [directory: ByteString, entries: readonly Entry[]])[]
  readonly files: number
  readonly bytes: number
}

/**
 * Plans the restore of a whole tree, of as many files as its record counts. Rejects with `chunk-missing` or
 * `object-corrupt` before anything is written.
 */
export async function planRestore(chunks: ChunkReader, root: ChunkId, files?: number): Promise<RestorePlan> {
  const planner = new RestorePlanner(chunks)
  for await (const { path, entry } of walkTree(chunks, root, files)) await planner.add(path, entry)
  return planner.finish()
}

/** Puts a plan together, entry by entry. */
export class RestorePlanner {
  readonly #chunks: ChunkReader
  readonly #directories: ByteString[] = []
  readonly #prepared: { path: ByteString; bytes: number }[] = []
  readonly #packs = new Map<string, Map<number, PlannedFrame>>()
  readonly #databases: Placed<DatabaseEntry>[] = []
  readonly #symlinks: Placed<SymlinkEntry>[] = []
  readonly #links: { path: ByteString; target: ByteString }[] = []
  readonly #linked = new Map<number, ByteString>()
  readonly #attributes = new Map<ByteString, Entry[]>()
  #files = 0
  #bytes = 0

  constructor(chunks: ChunkReader) {
    this.#chunks = chunks
  }

  async add(path: ByteString, entry: Entry): Promise<void> {
    this.#noteAttributes(path, entry)
    switch (entry.kind) {
      case 'directory':
        this.#directories.push(path)
        break
      case 'symlink':
        this.#symlinks.push({ path, entry })
        break
      case 'file':
        if (!this.#addLink(path, entry)) await this.#addContent(path, entry.content, 0)
        break
      case 'database':
        this.#databases.push({ path, entry })
        await this.#addContent(path, entry.base, entry.pageBytes)
        break
    }
  }

  /** What is there already gets its attributes again. */
  keep(path: ByteString, entry: Entry): void {
    this.#noteAttributes(path, entry)
  }

  finish(): RestorePlan {
    return {
      directories: this.#directories,
      prepared: this.#prepared,
      packs: this.#packs,
      databases: this.#databases,
      symlinks: this.#symlinks,
      links: this.#links,
      attributes: [...this.#attributes].sort(([a], [b]) => (a < b ? 1 : -1)),
      files: this.#files,
      bytes: this.#bytes,
    }
  }

  #noteAttributes(path: ByteString, entry: Entry): void {
    const directory = path === '' ? '' : parentPath(path)
    const entries = this.#attributes.get(directory)
    if (entries) entries.push(entry)
    else this.#attributes.set(directory, [entry])
  }

  #addLink(path: ByteString, entry: FileEntry): boolean {
    if (entry.link === 0) return false
    const target = this.#linked.get(entry.link)
    if (target === undefined) {
      this.#linked.set(entry.link, path)
      return false
    }
    this.#links.push({ path, target })
    return true
  }

  async #addContent(path: ByteString, content: Content, pageBytes: number): Promise<void> {
    const bytes = contentBytes(content)
    this.#files++
    this.#bytes += bytes
    const [only] = content
    const whole = content.length === 1 && only?.kind === 'chunk'
    if (!whole) this.#prepared.push({ path, bytes })
    const file = { path, whole, pageBytes }
    let position = 0
    for (const part of whole ? content : await this.#chunks.flatten(content)) {
      if (part.kind === 'chunk') this.#addPiece(part, file, position)
      position += part.bytes
    }
  }

  #addPiece(part: ChunkPart, file: PieceFile, position: number): void {
    const { table, place } = this.#chunks.locate(part.id)
    checkLength(part, place.bytes)
    const frame = table.frame(place.frame)
    const pack = table.packOf(frame).name
    const frames = this.#packs.get(pack) ?? new Map<number, PlannedFrame>()
    this.#packs.set(pack, frames)
    const planned = frames.get(frame.ordinal) ?? { frame, pieces: [] }
    frames.set(frame.ordinal, planned)
    planned.pieces.push({ ...file, position, id: part.id, offset: place.offset, bytes: place.bytes })
  }
}

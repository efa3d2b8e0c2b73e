import { existsSync, rmSync, statSync } from 'node:fs'
import { type ByteString, joinPath } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import type { DatabaseEntry, DirectoryEntry, Entry } from '../format/entry.ts'
import { encodeEntry } from '../format/tree-node.ts'
import { readDirectory, readRoot } from '../read/tree-reader.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import { targetFailure } from './piece-writer.ts'
import { restoreDatabase } from './restore-database.ts'
import { type Placed, RestorePlanner } from './restore-plan.ts'
import { carryOut, type RestoreDeps } from './restore-tree.ts'

/** What SQLite keeps beside a database, which the entry of the database stands for. */
const DATABASE_COMPANIONS = ['', '-wal', '-shm'] as const

export interface DeltaRequest {
  /** The tree that is at `path`, whole and untouched since. */
  readonly from: ChunkId
  readonly to: ChunkId
  readonly path: string
}

/**
 * Turns a directory that holds one tree into another: what the trees share is neither read nor written, and a database
 * whose page log went on gets the new pages. `unfit`: names of one file, or attributes that go, are among what differs, and nothing was
 * touched; restore all of it. Rejects as `restoreTree` does; then the directory is neither the one nor the other.
 */
export async function restoreDelta(deps: RestoreDeps, request: DeltaRequest): Promise<'done' | 'unfit'> {
  const difference = new TreeDifference(deps, request.path)
  await difference.compare(request)
  if (difference.isUnfit) return 'unfit'
  await difference.apply()
  return 'done'
}

interface GrownDatabase extends Placed<DatabaseEntry> {
  /** How many of its deltas are there already. */
  readonly deltasThere: number
}

class TreeDifference {
  readonly #deps: RestoreDeps
  readonly #path: string
  readonly #planner: RestorePlanner
  readonly #removed: ByteString[] = []
  readonly #grown: GrownDatabase[] = []
  isUnfit = false

  constructor(deps: RestoreDeps, path: string) {
    this.#deps = deps
    this.#path = path
    this.#planner = new RestorePlanner(deps.chunks)
  }

  async compare({ from, to }: DeltaRequest): Promise<void> {
    const { chunks } = this.#deps
    const [before, after] = [await readRoot(chunks, from), await readRoot(chunks, to)]
    await this.#compareDirectories('', before, after)
  }

  async apply(): Promise<void> {
    using target = new SourceDirectory(this.#path)
    for (const path of this.#removed) {
      try {
        rmSync(target.resolve(path), { recursive: true, force: true })
      } catch (error) {
        throw targetFailure(error, path, 'remove')
      }
    }
    for (const { path, entry, deltasThere } of this.#grown) {
      const grown = { ...entry, deltas: entry.deltas.slice(deltasThere) }
      await restoreDatabase(this.#deps.chunks, target, { path, entry: grown, hashed: [] })
    }
    await carryOut(this.#deps, { path: this.#path, isPartial: true }, this.#planner.finish())
  }

  /** A directory in which a name changes gets its own time again. */
  async #compareDirectories(path: ByteString, before: DirectoryEntry, after: DirectoryEntry): Promise<void> {
    if (isSame(before, after)) return
    this.#keep(path, before, after)
    if (before.node === after.node) return
    const { chunks } = this.#deps
    const known = new Map((await readDirectory(chunks, before.node)).map((entry) => [entry.name, entry]))
    for (const entry of await readDirectory(chunks, after.node)) {
      const old = known.get(entry.name)
      known.delete(entry.name)
      await this.#compareEntries(joinPath(path, entry.name), old, entry)
    }
    for (const [name, old] of known) this.#remove(joinPath(path, name), old)
  }

  /** Attributes are set, never taken away. */
  #keep(path: ByteString, old: Entry, entry: Entry): void {
    const names = new Set(entry.attributes.xattrs.map(({ name }) => name))
    if (old.attributes.xattrs.some(({ name }) => !names.has(name))) this.isUnfit = true
    this.#planner.keep(path, entry)
  }

  async #compareEntries(path: ByteString, old: Entry | undefined, entry: Entry): Promise<void> {
    if (old?.kind === 'directory' && entry.kind === 'directory')
      return await this.#compareDirectories(path, old, entry)
    if (old && isSame(old, entry)) return
    if (old?.kind === 'database' && entry.kind === 'database' && this.#growsInPlace(path, old, entry)) {
      this.#grown.push({ path, entry, deltasThere: old.deltas.length })
      this.#keep(path, old, entry)
      return
    }
    this.#remove(path, old ?? entry)
    await this.#add(path, entry)
  }

  /** Also what has no entry, such as a socket, may be in the way of a new name. */
  #remove(path: ByteString, old: Entry): void {
    this.#noteFitness(old)
    const names = old.kind === 'database' ? DATABASE_COMPANIONS : ([''] as const)
    for (const suffix of names) this.#removed.push(`${path}${suffix}`)
  }

  async #add(path: ByteString, entry: Entry): Promise<void> {
    this.#noteFitness(entry)
    await this.#planner.add(path, entry)
    if (entry.kind !== 'directory') return
    const { chunks } = this.#deps
    const waiting = [{ path, node: entry.node }]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      for (const inside of await readDirectory(chunks, next.node)) {
        const at = joinPath(next.path, inside.name)
        this.#noteFitness(inside)
        await this.#planner.add(at, inside)
        if (inside.kind === 'directory') waiting.push({ path: at, node: inside.node })
      }
    }
  }

  #noteFitness(entry: Entry): void {
    if (entry.kind === 'file' && entry.link !== 0) this.isUnfit = true
  }

  /** What its WAL holds is not in the file: such a one is written anew. */
  #growsInPlace(path: ByteString, old: DatabaseEntry, entry: DatabaseEntry): boolean {
    const { attributes, checksum, pageCount, deltas } = old
    const before = { ...entry, attributes, checksum, pageCount, deltas: entry.deltas.slice(0, deltas.length) }
    if (!isSame(old, before)) return false
    using target = new SourceDirectory(this.#path)
    const wal = target.resolve(`${path}-wal`)
    return !existsSync(wal) || statSync(wal).size === 0
  }
}

function isSame(a: Entry, b: Entry): boolean {
  return Buffer.compare(encodeEntry(a).bytes, encodeEntry(b).bytes) === 0
}

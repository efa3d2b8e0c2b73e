import { type BigIntStats, readdirSync, readlinkSync } from 'node:fs'
import { type ByteString, joinPath, toText } from '../format/byte-string.ts'
import { type ChunkId, chunkIdToHex } from '../format/chunk-id.ts'
import type { Attributes, DatabaseEntry, DirectoryEntry, Entry, FileEntry } from '../format/entry.ts'
import { encodeDirectory, encodeEntry, encodeRoot } from '../format/tree-node.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import { readDirectory, readRoot } from '../read/tree-reader.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import { attributesOf, type FetchedAttributes, statExactly } from '../stage/directory-builder.ts'
import { fetchAttributes } from '../stage/fetch-attributes.ts'
import { contentOf, databaseStateOf, withFile } from './restored-content.ts'

/** What a restored directory hashes to. */
export interface RestoredRoot {
  /** The root's chunk id, 64 hex digits, computed from what is on disk. */
  readonly root: string
  /** Paths at which the tree on disk differs from the recorded one, deepest first; none when the roots are equal. */
  readonly differing: readonly string[]
  /** Databases, by their paths. */
  readonly databases: readonly ByteString[]
}

export interface RestoredRootDeps {
  readonly chunks: ChunkReader
  readonly holdfs: Holdfs
  /** False where a restore cannot set owners: then the recorded ones are taken for granted. */
  readonly setOwners: boolean
}

/**
 * Computes the Merkle root of a restored directory from the disk: names, contents, modes, owners, times, attributes,
 * links. What the record lends is where contents are cut, how a database was reached, and the numbers of groups of
 * hard links, which are compared as groups. Equal roots mean equal trees.
 */
export async function restoredRoot(
  deps: RestoredRootDeps,
  restored: {
    readonly path: string
    readonly root: ChunkId
    /** Told the bytes of all files and databases read so far. */
    readonly onCompared?: (bytes: number) => void
  },
): Promise<RestoredRoot> {
  using source = new SourceDirectory(restored.path)
  const walk = new RestoredWalk(deps, source, restored.onCompared)
  const recorded = await readRoot(deps.chunks, restored.root)
  const node = await walk.directory('', recorded.node)
  const top = await walk.attributesAt('', recorded.attributes)
  const root = encodeRoot({ kind: 'directory', name: '', attributes: top, node })
  if (root.id !== restored.root) walk.differing.push('.')
  return { root: chunkIdToHex(root.id), differing: walk.differing, databases: walk.databases }
}

class RestoredWalk {
  readonly differing: string[] = []
  readonly databases: ByteString[] = []
  readonly #deps: RestoredRootDeps
  readonly #source: SourceDirectory
  readonly #inodeOfLink = new Map<number, bigint>()
  readonly #linkOfInode = new Map<bigint, number>()

  readonly #onCompared: ((bytes: number) => void) | undefined
  #bytes = 0

  constructor(deps: RestoredRootDeps, source: SourceDirectory, onCompared?: (bytes: number) => void) {
    this.#deps = deps
    this.#source = source
    this.#onCompared = onCompared
  }

  /** The node of a directory on disk; `recorded` is the node that was committed. */
  async directory(path: ByteString, recorded: ChunkId): Promise<ChunkId> {
    const entries = new Map(
      (await readDirectory(this.#deps.chunks, recorded)).map((entry) => [entry.name, entry]),
    )
    const names = readdirSync(this.#source.resolve(path), { encoding: 'latin1' }).sort()
    const fetched = await this.#fetch(path, names, entries)
    const found: Entry[] = []
    for (const name of names) {
      const entry = entries.get(name)
      const at = joinPath(path, name)
      if (entry === undefined) {
        this.differing.push(toText(at))
        continue
      }
      const onDisk = await this.#entry(at, entry, fetched.get(at) ?? { xattrs: [] })
      if (!Buffer.from(encodeEntry(onDisk).bytes).equals(encodeEntry(entry).bytes))
        this.differing.push(toText(at))
      found.push(onDisk)
      entries.delete(name)
    }
    for (const name of entries.keys()) this.differing.push(toText(joinPath(path, name)))
    return encodeDirectory(found.map(encodeEntry)).id
  }

  async attributesAt(path: ByteString, recorded: Attributes): Promise<Attributes> {
    const fetched = await fetchAttributes(this.#deps.holdfs, this.#source, [
      { directory: path, name: '.', sparse: false },
    ])
    const { xattrs } = fetched.get(joinPath(path, '.')) ?? { xattrs: [] }
    return this.#attributes(statExactly(this.#source, path), xattrs, recorded)
  }

  #fetch(path: ByteString, names: readonly ByteString[], entries: ReadonlyMap<ByteString, Entry>) {
    const wanted = names.flatMap((name) => {
      const kind = entries.get(name)?.kind
      if (kind === undefined || kind === 'symlink') return []
      const stats = statExactly(this.#source, joinPath(path, name))
      return [{ directory: path, name, sparse: stats.isFile() && stats.blocks * 512n < stats.size }]
    })
    return fetchAttributes(this.#deps.holdfs, this.#source, wanted)
  }

  async #entry(path: ByteString, recorded: Entry, fetched: FetchedAttributes): Promise<Entry> {
    const stats = statExactly(this.#source, path)
    const attributes = this.#attributes(stats, fetched.xattrs, recorded.attributes)
    const { name } = recorded
    if (stats.isFile()) {
      this.#onCompared?.(this.#bytes)
      this.#bytes += Number(stats.size)
    }
    if (stats.isDirectory()) return this.#directoryEntry(path, recorded, attributes)
    if (stats.isSymbolicLink()) {
      const target = readlinkSync(this.#source.resolve(path), 'latin1')
      return { kind: 'symlink', name, attributes, target }
    }
    if (recorded.kind === 'database') return this.#database(path, { ...recorded, attributes })
    if (recorded.kind === 'file') return this.#file(path, { ...recorded, attributes }, { stats, fetched })
    return { kind: 'file', name, attributes, link: 0, content: [] }
  }

  async #directoryEntry(path: ByteString, recorded: Entry, attributes: Attributes): Promise<DirectoryEntry> {
    const node =
      recorded.kind === 'directory' ? await this.directory(path, recorded.node) : ''.padEnd(32, '\0')
    return { kind: 'directory', name: recorded.name, attributes, node }
  }

  #database(path: ByteString, entry: DatabaseEntry): Promise<DatabaseEntry> {
    this.databases.push(path)
    return withFile(this.#source.resolve(path), async (fd) => {
      const { pageCount, checksum } = databaseStateOf(fd, entry)
      return { ...entry, pageCount: Math.ceil(pageCount), checksum }
    })
  }

  #file(
    path: ByteString,
    entry: FileEntry,
    { stats, fetched }: { readonly stats: BigIntStats; readonly fetched: FetchedAttributes },
  ): Promise<FileEntry> {
    return withFile(this.#source.resolve(path), async (fd) => {
      const content = await contentOf(this.#deps.chunks, { fd, spans: fetched.spans }, entry.content)
      return { ...entry, link: this.#link(entry.link, stats), content }
    })
  }

  /** The recorded number of a group of hard links while each group on disk stands for one in the record; else another. */
  #link(recorded: number, stats: BigIntStats): number {
    if (recorded === 0) return stats.nlink === 1n ? 0 : 1
    const inode = this.#inodeOfLink.get(recorded) ?? stats.ino
    const link = this.#linkOfInode.get(stats.ino) ?? recorded
    this.#inodeOfLink.set(recorded, inode)
    this.#linkOfInode.set(stats.ino, link)
    return inode === stats.ino && link === recorded ? recorded : 0
  }

  #attributes(stats: BigIntStats, xattrs: Attributes['xattrs'], recorded: Attributes): Attributes {
    const onDisk = attributesOf(stats, xattrs)
    const owner = this.#deps.setOwners ? {} : { uid: recorded.uid, gid: recorded.gid }
    // A link has no mode of its own: every system shows the same one, and none can set it.
    return { ...onDisk, ...owner, ...(stats.isSymbolicLink() ? { mode: recorded.mode } : {}) }
  }
}

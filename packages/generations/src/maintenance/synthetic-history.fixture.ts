import type { Clock } from '@holdfast/base/clock'
import type { GenerationCause } from '@holdfast/protocol/generation'
import { KnownChunks } from '../commit/known-chunks.ts'
import { PackUploads } from '../commit/pack-uploads.ts'
import { type ChunkId, chunkIdOf, chunkIdToHex } from '../format/chunk-id.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import type { Attributes, Entry } from '../format/entry.ts'
import { encodeGenerationRecord, type GenerationRecord } from '../format/generation-record.ts'
import { newPackName, randomName } from '../format/names.ts'
import { type FrameGroup, PackBuilder } from '../format/pack-builder.ts'
import { type EncodedNode, encodeDirectory, encodeEntry, encodeRoot } from '../format/tree-node.ts'
import type { HeldLease } from '../index/generation-index.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'

const ATTRIBUTES: Attributes = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 1n, xattrs: [] }

/** A writer without a directory: commits trees of one level of directories from memory, as a committer would. */
export class SyntheticHistory {
  readonly #deps: MaintenanceDeps
  readonly #lease: HeldLease
  readonly #tree = new Map<string, Map<string, ChunkId>>()
  readonly #nodes = new Map<string, ChunkId>()
  /** Bytes of each file now, by `directory/name`. */
  readonly files = new Map<string, Uint8Array>()
  #pending = new Map<ChunkId, { readonly bytes: Uint8Array; readonly group: FrameGroup }>()
  #known: KnownChunks | undefined
  #gcSeen = -1
  #parent: { readonly id: string; readonly sequence: number } | null = null

  constructor(deps: MaintenanceDeps, lease: HeldLease) {
    this.#deps = deps
    this.#lease = lease
  }

  write(directory: string, name: string, bytes: Uint8Array): void {
    const id = chunkIdOf(bytes)
    this.#pending.set(id, { bytes, group: 'text' })
    const names = this.#tree.get(directory) ?? new Map<string, ChunkId>()
    names.set(name, id)
    this.#tree.set(directory, names)
    this.#nodes.delete(directory)
    this.files.set(`${directory}/${name}`, bytes)
  }

  /** Commits what was written; returns the generation's id. */
  async commit(clock: Clock, cause: GenerationCause = 'periodic'): Promise<string> {
    const known = await this.#refreshKnown()
    const uploads = new PackUploads(this.#deps.store)
    const builder = new PackBuilder({
      coding: this.#deps.coding,
      nextName: () => newPackName(this.#lease, this.#deps.randomness),
      onPack: (pack) => void uploads.put(pack),
    })
    const root = this.#encode()
    const usedPacks = new Set<string>()
    for (const [id, { bytes, group }] of this.#pending) {
      const found = known.chunks.find(id)
      if (found) usedPacks.add(ChunkIndex.packName(found))
      else builder.add(id, bytes, group)
    }
    const record = this.#record(chunkIdToHex(root), { clock, cause, known })
    const { id, bytes } = encodeGenerationRecord(record)
    builder.finish(bytes)
    await uploads.durable()
    const newPacks = uploads.packs.map(({ name, bytes: size, sha256 }) => ({ name, bytes: size, sha256 }))
    const { sequence, parent, createdAt, message, files, consistency } = record
    const recordPack = newPacks.at(-1)?.name ?? ''
    await this.#deps.index.append(this.#lease, {
      ...{ id, parent, sequence, recordPack, root: record.root, cause, message, createdAt, files },
      ...{ bytes: record.bytes, consistency, newPacks, usedPacks: [...usedPacks], gcSeen: this.#gcSeen },
    })
    known.add(uploads.packs)
    this.#pending = new Map()
    this.#parent = { id, sequence }
    return id
  }

  #record(
    root: string,
    parts: { readonly clock: Clock; readonly cause: GenerationCause; readonly known: KnownChunks },
  ): GenerationRecord {
    return {
      format: 1,
      ...this.#lease,
      sequence: (this.#parent?.sequence ?? 0) + 1,
      parent: this.#parent?.id ?? null,
      nonce: randomName(this.#deps.randomness),
      createdAt: parts.clock.wallMs(),
      cause: parts.cause,
      message: '',
      consistency: 'cut',
      root,
      files: this.files.size,
      bytes: 0,
      databases: 0,
      notices: [],
      index: parts.known.source,
      packs: [],
    }
  }

  #encode(): ChunkId {
    const directories = [...this.#tree.keys()].sort().map((name): Entry => {
      const node = this.#nodes.get(name) ?? this.#encodeDirectory(name)
      return { kind: 'directory', name, attributes: ATTRIBUTES, node }
    })
    const { id, nodes } = encodeDirectory(directories.map(encodeEntry))
    for (const node of nodes) this.#put(node)
    const root = encodeRoot({ kind: 'directory', name: '', attributes: ATTRIBUTES, node: id })
    this.#put(root)
    return root.id
  }

  #encodeDirectory(directory: string): ChunkId {
    const names = [...(this.#tree.get(directory) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))
    const entries = names.map(([name, id]): Entry => {
      const bytes = this.files.get(`${directory}/${name}`)?.length ?? 0
      return {
        kind: 'file',
        name,
        attributes: ATTRIBUTES,
        link: 0,
        content: [{ kind: 'chunk', bytes, id }],
      }
    })
    const { id, nodes } = encodeDirectory(entries.map(encodeEntry))
    for (const node of nodes) this.#put(node)
    this.#nodes.set(directory, id)
    return id
  }

  #put(node: EncodedNode): void {
    this.#pending.set(node.id, { bytes: node.bytes, group: 'tree' })
  }

  async #refreshKnown(): Promise<KnownChunks> {
    const { index } = this.#deps
    const clock = await index.gcClock(this.#lease.org)
    const source = await index.chunkIndex(this.#lease.workspace)
    if (this.#known === undefined || clock !== this.#gcSeen || !this.#known.isBasedOn(source))
      this.#known = await KnownChunks.load(this.#deps, this.#lease, this.#known)
    this.#gcSeen = clock
    return this.#known
  }
}

import { closeSync, openSync } from 'node:fs'
import { assert } from '@holdfast/base/assert'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import { ChunkTable } from '../format/chunk-table.ts'
import type { FrameCoding } from '../format/frame.ts'
import {
  decodeGenerationRecord,
  encodeGenerationRecord,
  type GenerationRecord,
} from '../format/generation-record.ts'
import { newPackName, packKey, randomName } from '../format/names.ts'
import { type BuiltPack, PackBuilder } from '../format/pack-builder.ts'
import type { GenerationCommit, HeldLease, PackRow } from '../index/generation-index.ts'
import { ChunkReader } from '../read/chunk-reader.ts'
import { type BundleManifest, decodeManifest, MANIFEST, recordMember, SUMS } from './bundle-manifest.ts'
import { ChunkWriter, type WrittenPack } from './chunk-writer.ts'
import { CompleteTrees } from './complete-trees.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import { OpenPack } from './open-pack.ts'
import { readMember, readMembers, type TarMember } from './tar-file.ts'

export interface ImportRequest {
  readonly org: string
  readonly workspace: string
  /** The lease on the workspace, which exists and has no generation; absent: it does not exist yet. */
  readonly held?: HeldLease
  readonly path: string
  /** How the bundle is sealed: as the store it came from. */
  readonly bundleCoding: FrameCoding
}

export interface ImportedBundle {
  /** Ids in the new workspace, oldest first. */
  readonly generations: readonly string[]
  readonly packs: number
  readonly bytes: number
}

/**
 * Makes a workspace of a bundle: its generations with their messages and times, in this store and under its key. Every
 * byte of the file and every chunk is checked, and every tree proven complete in the store, before the first generation
 * is appended; a workspace is made only then, so a bundle that is refused leaves none; memory stays below a few packs.
 * Rejects with `foreign-format`, `version-unknown`, `object-corrupt`, `chunk-missing`, `wrong-key`, `already-exists`,
 * `not-found`, or as appending does.
 */
export async function importBundle(deps: MaintenanceDeps, request: ImportRequest): Promise<ImportedBundle> {
  const fd = openBundle(request.path)
  try {
    const bundle = new Bundle(fd)
    const { org, workspace } = request
    const gcSeen = await deps.index.gcClock(org)
    const lease = request.held ?? { org, workspace, epoch: 1 }
    const packs = await copyPacks(deps, lease, { bundle, coding: request.bundleCoding })
    await proveComplete(deps, bundle, packs)
    const commits = await storeRecords(deps, lease, { bundle, packs, gcSeen })
    const held = request.held ?? (await beginWorkspace(deps, lease))
    for (const commit of commits) await deps.index.append(held, commit)
    const generations = commits.map(({ id }) => id)
    const bytes = packs.reduce((sum, pack) => sum + pack.bytes, 0)
    return { generations, packs: packs.length, bytes }
  } finally {
    closeSync(fd)
  }
}

async function beginWorkspace(deps: MaintenanceDeps, lease: HeldLease): Promise<HeldLease> {
  await deps.index.createWorkspace({ id: lease.workspace, org: lease.org })
  const held = await deps.index.acquire(lease.workspace)
  assert(held.epoch === lease.epoch, 'a new workspace begins with the epoch that its packs are named after')
  return held
}

/** An open bundle, of which every member has the hash that it says. */
class Bundle {
  readonly manifest: BundleManifest
  /** Oldest first. */
  readonly records: readonly GenerationRecord[]
  readonly #fd: number
  readonly #members: ReadonlyMap<string, TarMember>

  constructor(fd: number) {
    const members = readMembers(fd)
    this.#fd = fd
    this.#members = new Map(members.map((member) => [member.name, member]))
    const sums = members.slice(0, -1).map(({ name, sha256 }) => `${sha256}  ${name}\n`)
    if (members.at(-1)?.name !== SUMS || this.read(SUMS).toString('utf8') !== sums.join(''))
      throw new Failure('object-corrupt', 'the bundle has other bytes than its sums say')
    this.manifest = decodeManifest(this.read(MANIFEST))
    this.records = this.manifest.generations.map((id) => {
      const record = decodeGenerationRecord(this.read(recordMember(id)))
      if (record.id === id) return record
      throw new Failure('object-corrupt', `the record of ${id} is another one`, { id })
    })
  }

  read(name: string): Buffer {
    const member = this.#members.get(name)
    if (member === undefined) throw new Failure('object-corrupt', `the bundle lacks ${name}`, { name })
    return readMember(this.#fd, member)
  }
}

async function copyPacks(
  deps: MaintenanceDeps,
  lease: HeldLease,
  { bundle, coding }: { readonly bundle: Bundle; readonly coding: FrameCoding },
): Promise<readonly WrittenPack[]> {
  const writer = new ChunkWriter({
    coding: deps.coding,
    nextName: () => newPackName(lease, deps.randomness),
    put: (pack) => deps.store.put(packKey(pack.name), pack.parts),
  })
  for (const row of bundle.manifest.packs) {
    const pack = OpenPack.parse(coding, row, bundle.read(row.member))
    const { table } = pack.end
    const role = row.holds === 'trees' ? 'node' : 'content'
    const places = Array.from({ length: table.chunkCount }, (_, index) => index)
    for (const index of places.sort((a, b) => table.place(a).frame - table.place(b).frame)) {
      const id = table.id(index)
      const { bytes, isDense } = pack.chunk(id)
      writer.add({ id, role }, bytes, isDense)
    }
    await writer.settled()
  }
  return writer.finish()
}

/** Rejects with `chunk-missing` unless every tree can be read from the packs just stored. */
async function proveComplete(
  deps: MaintenanceDeps,
  bundle: Bundle,
  packs: readonly WrittenPack[],
): Promise<void> {
  const index = new ChunkIndex(packs.map((pack) => new ChunkTable(pack.table)))
  const trees = new CompleteTrees({ index, reader: new ChunkReader({ ...deps, index }) })
  for (const { root } of bundle.records) {
    if (await trees.has(chunkIdFromHex(root))) continue
    throw new Failure('chunk-missing', `the bundle does not hold the whole tree ${root}`, { root })
  }
}

/** Stores the records; the commits that append them, oldest first. */
async function storeRecords(
  deps: MaintenanceDeps,
  lease: HeldLease,
  parts: { readonly bundle: Bundle; readonly packs: readonly WrittenPack[]; readonly gcSeen: number },
): Promise<readonly GenerationCommit[]> {
  const commits: GenerationCommit[] = []
  let pending: readonly PackRow[] = parts.packs.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }))
  const deltaPacks: PackRow[] = []
  for (const original of parts.bundle.records) {
    const record: GenerationRecord = {
      ...original,
      ...lease,
      sequence: commits.length + 1,
      parent: commits.at(-1)?.id ?? null,
      nonce: randomName(deps.randomness),
      cause: 'import',
      index: { baseObjects: [], deltaPacks: [...deltaPacks] },
      packs: pending,
    }
    const { id, recordPack } = await storeRecord(deps, lease, record)
    const newPacks = [...pending, recordPack]
    const { sequence, parent, root, cause, message, createdAt, files, bytes, consistency } = record
    commits.push({
      ...{ id, sequence, parent, root, cause, message, createdAt, files, bytes, consistency },
      ...{ recordPack: recordPack.name, newPacks, usedPacks: [], gcSeen: parts.gcSeen },
    })
    deltaPacks.push(...newPacks)
    pending = []
  }
  return commits
}

async function storeRecord(
  deps: MaintenanceDeps,
  lease: HeldLease,
  record: GenerationRecord,
): Promise<{ readonly id: string; readonly recordPack: PackRow }> {
  const { id, bytes } = encodeGenerationRecord(withoutId(record))
  const built: BuiltPack[] = []
  const builder = new PackBuilder({
    coding: deps.coding,
    nextName: () => newPackName(lease, deps.randomness),
    onPack: (pack) => built.push(pack),
  })
  builder.finish(bytes)
  const [pack] = built
  if (pack === undefined) throw new Failure('internal', 'a record made no pack')
  await deps.store.put(packKey(pack.name), pack.parts)
  return { id, recordPack: { name: pack.name, bytes: pack.bytes, sha256: pack.sha256 } }
}

/** The record as it is encoded: a decoded one carries its id. */
function withoutId(record: GenerationRecord & { readonly id?: string }): GenerationRecord {
  const { id: _id, ...bare } = record
  return bare
}

function openBundle(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    const errno = errnoOf(error) ?? 'unknown'
    const code = errno === 'ENOENT' ? 'not-found' : 'no-permission'
    throw new Failure(code, `cannot read ${path}: ${errno}`, { path, errno }, error)
  }
}

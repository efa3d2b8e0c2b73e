import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { FrameCoding } from '../format/frame.ts'
import {
  decodeGenerationRecord,
  encodeGenerationRecord,
  type GenerationRecord,
} from '../format/generation-record.ts'
import { newPackName, packKey, randomName } from '../format/names.ts'
import { PackBuilder } from '../format/pack-builder.ts'
import type { GenerationIndex, GenerationRow, HeldLease } from '../index/generation-index.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import { readPackEnd } from '../read/pack-reader.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { appendGeneration, commitOf, packRows } from './append-generation.ts'
import type { CommitRequest } from './committer.ts'
import { PackUploads } from './pack-uploads.ts'

export interface CommitRootDeps {
  readonly store: ObjectStore
  readonly index: GenerationIndex
  readonly clock: Clock
  readonly randomness: Randomness
  readonly coding: FrameCoding
  /** Reads chunks of the workspace: compaction moves records there. */
  readonly chunks: () => Promise<ChunkReader>
}

/**
 * Makes the tree of a generation that exists the newest generation of a workspace: one small object, nothing of the
 * tree is read or stored. Rejects with `not-found` for a generation that is gone or was dropped, with `lease-lost`,
 * `head-moved` or `gc-expired`, and with `outcome-unknown` when it may have happened.
 *
 * The packs of the tree need not be named: GC keeps what a retained generation reaches, and this one was retained after
 * the GC clock was read. One that is dropped since is condemned later than that, so the append is refused or comes
 * before GC looks again at what is reachable.
 */
export async function commitRoot(
  deps: CommitRootDeps,
  lease: HeldLease,
  wanted: { readonly generation: string; readonly request: CommitRequest },
): Promise<GenerationRow> {
  const gcSeen = await deps.index.gcClock(lease.org)
  const source = await deps.index.generation(wanted.generation)
  if (!source.retained)
    throw new Failure('not-found', `generation ${source.id} was dropped and cannot be restored`, {
      generation: source.id,
    })
  const record = await newRecord(deps, lease, { source, request: wanted.request })
  const { id, bytes } = encodeGenerationRecord(record)
  const uploads = new PackUploads(deps.store)
  const nextName = () => newPackName(lease, deps.randomness)
  const onPack = (pack: Parameters<typeof uploads.put>[0]) => void uploads.put(pack)
  new PackBuilder({ coding: deps.coding, nextName, onPack }).finish(bytes)
  await uploads.durable()
  const newPacks = packRows(uploads.packs)
  await appendGeneration(deps, lease, commitOf(record, id, { newPacks, usedPacks: [], gcSeen }))
  return deps.index.generation(id)
}

async function newest(
  { index }: CommitRootDeps,
  { workspace }: HeldLease,
): Promise<{ readonly parentId: string | null; readonly parent: GenerationRow | null }> {
  const { head, forkedFrom } = await index.workspace(workspace)
  const parentId = head ?? forkedFrom
  return { parentId, parent: parentId === null ? null : await index.generation(parentId) }
}

async function newRecord(
  deps: CommitRootDeps,
  lease: HeldLease,
  { source, request }: { readonly source: GenerationRow; readonly request: CommitRequest },
): Promise<GenerationRecord> {
  const [{ parentId, parent }, copied, index] = await Promise.all([
    newest(deps, lease),
    readRecord(deps, source),
    deps.index.chunkIndex(lease.workspace),
  ])
  const { consistency, root, files, bytes, databases, notices } = copied
  return {
    format: 1,
    ...lease,
    sequence: (parent?.sequence ?? 0) + 1,
    parent: parentId,
    nonce: randomName(deps.randomness),
    createdAt: deps.clock.wallMs(),
    cause: request.cause,
    message: request.message,
    consistency,
    root,
    files,
    bytes,
    databases,
    notices,
    index,
    packs: [],
  }
}

/**
 * The record of a generation: in the pack that completes it, and once that is gone, where compaction keeps it as a chunk.
 * Rejects as reading does.
 */
async function readRecord(deps: CommitRootDeps, row: GenerationRow): Promise<GenerationRecord> {
  const stored = await deps.store.head(packKey(row.recordPack))
  const end = stored && (await readPackEnd(deps, { name: row.recordPack, bytes: stored.bytes }))
  const id = chunkIdFromHex(row.id)
  return decodeGenerationRecord(end?.record ?? (await (await deps.chunks()).read(id)))
}

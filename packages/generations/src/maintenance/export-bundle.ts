import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { syncDirectory } from '../directory/json-file.ts'
import type { Unfinished } from '../directory/unfinished.ts'
import { type ChunkId, chunkIdFromHex } from '../format/chunk-id.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import { randomName } from '../format/names.ts'
import type { GenerationRow, PackRow } from '../index/generation-index.ts'
import { type BundledPack, type BundleManifest, MANIFEST, recordMember, SUMS } from './bundle-manifest.ts'
import { ChunkGraph, type GraphChunk, rootOf } from './chunk-graph.ts'
import { ChunkWriter } from './chunk-writer.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import { openReadable } from './mark-workspace.ts'
import { OpenPack } from './open-pack.ts'
import { readRecord } from './read-record.ts'
import { TarWriter } from './tar-file.ts'

export interface ExportRequest {
  readonly org: string
  /** Of one workspace, oldest first. */
  readonly generations: readonly GenerationRow[]
  /** The file to make. */
  readonly path: string
  /** Told of the file while it is not complete. */
  readonly unfinished?: Unfinished
  /** Told how many bytes of packs will be read, before they are. */
  readonly onPlanned?: (bytes: number) => void
}

export interface ExportedBundle {
  readonly generations: number
  readonly chunks: number
  readonly packs: number
}

/**
 * Writes generations as one portable file that holds their chunks and no others. The bundle of a sealed store is sealed
 * with the same key. The file appears at once, complete and durable; memory stays below a few packs. Rejects with
 * `already-exists`, and as reading does.
 */
export async function exportBundle(deps: MaintenanceDeps, request: ExportRequest): Promise<ExportedBundle> {
  const { path } = request
  if (existsSync(path)) throw new Failure('already-exists', `${path} exists`, { path })
  const partial = `${path}.${randomName(deps.randomness).slice(0, 8)}.partial`
  using _making = request.unfinished?.add(partial)
  const fd = openNew(partial)
  try {
    const exported = await writeBundle(deps, request, new TarWriter(fd))
    fsyncSync(fd)
    renameSync(partial, path)
    syncDirectory(dirname(path))
    return exported
  } finally {
    closeSync(fd)
    rmSync(partial, { force: true })
  }
}

async function writeBundle(
  deps: MaintenanceDeps,
  { org, generations, onPlanned }: ExportRequest,
  tar: TarWriter,
): Promise<ExportedBundle> {
  const [first] = generations
  if (first === undefined) throw new Failure('invalid-argument', 'no generation to export')
  const chunks = await openReadable(deps, { org, workspace: first.workspace })
  const roots = generations.map(({ root }) => rootOf(chunkIdFromHex(root)))
  const reached = await new ChunkGraph().reached(chunks.reader, roots)
  const rows = new Map(
    [...chunks.current.tables.values()].flatMap(({ packs }) => packs).map((row) => [row.name, row]),
  )
  const packs: BundledPack[] = []
  const run = randomName(deps.randomness)
  const writer = new ChunkWriter({
    coding: deps.coding,
    nextName: () => `bundle/${run}/0/${randomName(deps.randomness)}`,
    put: async (pack) => tar.add(`packs/${pack.name.slice(-32)}`, pack.parts),
  })
  let count = 0
  const needs = byPack(chunks.index, reached)
  onPlanned?.([...needs.keys()].reduce((sum, name) => sum + (rows.get(name)?.bytes ?? 0), 0))
  for (const [name, needed] of needs) {
    const pack = await OpenPack.get(deps, rows.get(name) ?? unnamed(name))
    for (const chunk of inFrameOrder(pack, needed)) {
      const { bytes, isDense } = pack.chunk(chunk.id)
      writer.add(chunk, bytes, isDense)
    }
    count += needed.length
    await writer.settled()
  }
  for (const { name, bytes, sha256, holds } of await writer.finish())
    packs.push({ name, bytes, sha256, holds, member: `packs/${name.slice(-32)}` })
  for (const row of generations) tar.add(recordMember(row.id), [await readRecord(deps, chunks, row)])
  finishBundle(tar, { generations: generations.map(({ id }) => id), packs })
  return { generations: generations.length, chunks: count, packs: packs.length }
}

function finishBundle(tar: TarWriter, told: Pick<BundleManifest, 'generations' | 'packs'>): void {
  const manifest: BundleManifest = { format: 1, kind: 'holdfast-bundle', ...told }
  tar.add(MANIFEST, [Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)])
  const sums = tar.members.map(({ name, sha256 }) => `${sha256}  ${name}\n`)
  tar.add(SUMS, [Buffer.from(sums.join(''))])
  tar.end()
}

/** Each chunk once, by the pack in which it is found. */
function byPack(
  index: ChunkIndex,
  reached: Iterable<GraphChunk>,
): ReadonlyMap<string, readonly GraphChunk[]> {
  const packs = new Map<string, GraphChunk[]>()
  const met = new Set<ChunkId>()
  for (const chunk of reached) {
    const found = index.find(chunk.id)
    if (found === undefined || met.has(chunk.id)) continue
    met.add(chunk.id)
    const pack = ChunkIndex.packName(found)
    const chunks = packs.get(pack)
    if (chunks) chunks.push(chunk)
    else packs.set(pack, [chunk])
  }
  return packs
}

function inFrameOrder(pack: OpenPack, chunks: readonly GraphChunk[]): readonly GraphChunk[] {
  const frameOf = ({ id }: GraphChunk) => pack.end.table.find(id)?.frame ?? 0
  return [...chunks].sort((a, b) => frameOf(a) - frameOf(b))
}

function unnamed(name: string): PackRow {
  throw new Failure('internal', `no table names ${name}`, { pack: name })
}

function openNew(path: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (error) {
    const errno = errnoOf(error) ?? 'unknown'
    throw new Failure('no-permission', `cannot make ${path}: ${errno}`, { path, errno }, error)
  }
}

import { Failure } from '@holdfast/base/failure'
import { type ChunkId, chunkIdFromHex, chunkIdToHex } from '../format/chunk-id.ts'
import type { ChunkIndex, FoundChunk } from '../format/chunk-index.ts'
import type { GenerationIndex, GenerationRow } from '../index/generation-index.ts'
import { ChunkReader } from '../read/chunk-reader.ts'
import {
  type CurrentChunks,
  type LoadOptions,
  loadCurrentChunks,
  readableChunks,
} from '../read/load-chunk-index.ts'
import { type ChunkGraph, type ReachedChunks, recordOf, rootOf } from './chunk-graph.ts'
import type { StoreDeps } from './maintenance-deps.ts'
import { type GiveWay, Turns } from './turns.ts'

const HISTORY_PAGE = 1000

/** What the retained generations of one workspace need, and where its index finds it. */
export interface WorkspaceMark {
  readonly workspace: string
  readonly current: CurrentChunks
  readonly chunks: ReadableChunks
  /** Newest first; the fork point where there is no head yet. */
  readonly retained: readonly GenerationRow[]
  /** Chunks of the newest generation first, in the order of its tree. */
  readonly reached: ReachedChunks
  readonly giveWay: GiveWay | undefined
}

/** A workspace's chunks as readers find them. */
export interface ReadableChunks {
  readonly index: ChunkIndex
  readonly reader: ChunkReader
}

/** Every generation of a workspace that can be restored, newest first. */
export async function retainedGenerations(
  index: GenerationIndex,
  workspace: string,
): Promise<GenerationRow[]> {
  const retained: GenerationRow[] = []
  for (let before: number | undefined; ; ) {
    const page = await index.history(workspace, {
      limit: HISTORY_PAGE,
      retainedOnly: true,
      ...(before === undefined ? {} : { beforeSequence: before }),
    })
    retained.push(...page)
    before = page.at(-1)?.sequence
    if (before === undefined || page.length < HISTORY_PAGE) break
  }
  if (retained.length > 0) return retained
  const { forkedFrom } = await index.workspace(workspace)
  return forkedFrom === null ? [] : [await index.generation(forkedFrom)]
}

export async function openReadable(
  deps: StoreDeps,
  workspace: { readonly org: string; readonly workspace: string },
  options: LoadOptions = {},
): Promise<ReadableChunks & { readonly current: CurrentChunks }> {
  const current = await loadCurrentChunks(deps, workspace, options)
  const index = readableChunks(current)
  return { current, index, reader: new ChunkReader({ ...deps, index }) }
}

/**
 * Marks what the retained generations of a workspace need. Rejects with `chunk-missing`, `chunk-corrupt` or as the
 * store does: what cannot be read cannot be followed.
 */
export async function markWorkspace(
  deps: StoreDeps,
  workspace: { readonly org: string; readonly workspace: string },
  graph: ChunkGraph,
): Promise<WorkspaceMark> {
  // The history first: a commit in between is then missing from the history, not its packs from the tables.
  const retained = await retainedGenerations(deps.index, workspace.workspace)
  const { current, ...chunks } = await openReadable(deps, workspace)
  const moved = retained.filter((row) => chunks.index.find(chunkIdFromHex(row.id)) !== undefined)
  const roots = [
    ...retained.map((row) => rootOf(chunkIdFromHex(row.root))),
    ...moved.map((row) => recordOf(chunkIdFromHex(row.id))),
  ]
  const reached = await graph.reached(chunks.reader, roots, deps.giveWay)
  return { workspace: workspace.workspace, current, chunks, retained, reached, giveWay: deps.giveWay }
}

/** Where a marked chunk is found. Rejects with `chunk-missing`. */
export function placeOf(mark: WorkspaceMark, id: ChunkId): FoundChunk {
  const found = mark.chunks.index.find(id)
  if (found) return found
  throw new Failure('chunk-missing', `no pack holds chunk ${chunkIdToHex(id)}`, { chunk: chunkIdToHex(id) })
}

/** Calls `visit` with each chunk that the workspace needs, and where it is found. Rejects with `chunk-missing`. */
export async function visitNeeded(
  mark: WorkspaceMark,
  visit: (found: FoundChunk, id: ChunkId) => void,
): Promise<void> {
  const turns = Turns.ofChunks(mark.giveWay)
  for (const { id } of mark.reached) {
    visit(placeOf(mark, id), id)
    if (turns.isOver()) await turns.pass()
  }
}

/** Packs that hold the record of a retained generation where its commit put it. */
export function packsOfRecords({ retained, chunks }: WorkspaceMark): readonly string[] {
  return retained
    .filter((row) => chunks.index.find(chunkIdFromHex(row.id)) === undefined)
    .map((row) => row.recordPack)
}

import { isFailure } from '@holdfast/base/failure'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import { ChunkGraph, type GraphChunk, rootOf } from './chunk-graph.ts'
import type { StoreDeps } from './maintenance-deps.ts'
import { openReadable, type ReadableChunks, retainedGenerations } from './mark-workspace.ts'

/**
 * The newest generation of a workspace of which every chunk can be read and is what it was, or undefined. Reads each
 * chunk once, even if generations have it in common. `skip`: one that is known to be damaged.
 */
export async function newestIntact(
  deps: StoreDeps,
  workspace: { readonly org: string; readonly workspace: string },
  skip?: string,
): Promise<GenerationRow | undefined> {
  const retained = await retainedGenerations(deps.index, workspace.workspace)
  const chunks = await openReadable(deps, workspace, { onUnreadable: () => {} })
  const proven = new ProvenChunks(chunks)
  for (const row of retained) if (row.id !== skip && (await proven.holds(row))) return row
  return undefined
}

class ProvenChunks {
  readonly #chunks: ReadableChunks
  readonly #graph = new ChunkGraph()
  readonly #proven = new Set<string>()

  constructor(chunks: ReadableChunks) {
    this.#chunks = chunks
  }

  async holds({ root }: GenerationRow): Promise<boolean> {
    try {
      const reached = await this.#graph.reached(this.#chunks.reader, [rootOf(chunkIdFromHex(root))])
      for (const chunk of this.#inPackOrder(reached)) {
        await this.#chunks.reader.read(chunk.id)
        this.#proven.add(chunk.id)
      }
      return true
    } catch (error) {
      if (isFailure(error) && error.kind === 'broken') return false
      throw error
    }
  }

  /** What is not proven yet, so that each frame is fetched once. */
  #inPackOrder(reached: Iterable<GraphChunk>): readonly GraphChunk[] {
    const placed = [...reached].flatMap((chunk) => {
      if (this.#proven.has(chunk.id)) return []
      const { table, place } = this.#chunks.reader.locate(chunk.id)
      const frame = table.frame(place.frame)
      return [{ chunk, key: `${table.packOf(frame).name}#${String(frame.ordinal).padStart(8, '0')}` }]
    })
    return placed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ chunk }) => chunk)
  }
}

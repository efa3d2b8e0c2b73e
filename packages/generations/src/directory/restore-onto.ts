import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import { restoreDelta } from '../restore/restore-delta.ts'
import { RestoreThreads } from '../restore/restore-threads.ts'
import type { RestoreDeps } from '../restore/restore-tree.ts'

/** What a `DurableDirectory` has of what restores need. */
export interface RestorableDirectory extends Pick<RestoreDeps, 'store' | 'coding'> {
  readonly deps: Pick<RestoreDeps, 'holdfs'> & { readonly threads: number; readonly isRoot: boolean }
  readonly sealKey: Uint8Array | null
  chunkReader(): Promise<ChunkReader>
}

/**
 * Turns a directory that holds one generation, and that nobody uses, into another one, as `restoreDelta` does: durable
 * when this resolves.
 */
export async function restoreOnto(
  directory: RestorableDirectory,
  request: { readonly from: GenerationRow; readonly generation: GenerationRow; readonly path: string },
): Promise<'done' | 'unfit'> {
  const { from, generation, path } = request
  const roots = { from: chunkIdFromHex(from.root), to: chunkIdFromHex(generation.root) }
  return await restoreDelta(await restoreDepsOf(directory), { ...roots, path })
}

/** What restores of a directory's generations need. */
export async function restoreDepsOf(directory: RestorableDirectory): Promise<RestoreDeps> {
  const { store, coding, sealKey } = directory
  const { holdfs, threads, isRoot } = directory.deps
  return {
    store,
    coding,
    chunks: await directory.chunkReader(),
    holdfs,
    threads: new RestoreThreads(threads, sealKey),
    setOwners: isRoot,
  }
}

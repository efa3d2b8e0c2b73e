import { RACY_MS, type Remembered } from '../commit/committer.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { GenerationIndex } from '../index/generation-index.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import type { SnapshotPath } from '../volume/volume.ts'
import type { DirectoryConfig } from './home.ts'
import { type BtrfsDirectoryDeps, openBtrfsVolume } from './open-btrfs-volume.ts'
import { loadRemembered } from './remembered-files.ts'
import { seedTreeState } from './seed-state.ts'

export interface LocalDirectory {
  readonly deps: BtrfsDirectoryDeps
  readonly config: DirectoryConfig
  readonly folder: string
  readonly index: GenerationIndex
  chunkReader(): Promise<ChunkReader>
}

/** A local, read-only snapshot that equals a generation; undefined where there is none. */
export async function localSnapshot(
  { deps, config }: LocalDirectory,
  generation: string,
): Promise<SnapshotPath | undefined> {
  if (config.volume !== 'btrfs') return undefined
  await using volume = await openBtrfsVolume(deps, config)
  return await volume.snapshotOf(generation)
}

/**
 * What is known of the tree that the next commit starts from: what the last process saved, else what a local snapshot
 * of that generation tells. Undefined: every file is read.
 */
export async function rememberedOf(directory: LocalDirectory): Promise<Remembered | undefined> {
  const { head, forkedFrom } = await directory.index.workspace(directory.config.workspace)
  const generation = head ?? forkedFrom
  const saved = loadRemembered(directory.folder)
  if (saved?.generation === generation || generation === null) return saved
  const snapshot = await localSnapshot(directory, generation)
  if (snapshot === undefined) return undefined
  const { root } = await directory.index.generation(generation)
  const seed = await seedTreeState({
    chunks: await directory.chunkReader(),
    root: chunkIdFromHex(root),
    path: snapshot.path,
    racyFromMs: snapshot.takenAtMs - RACY_MS,
  })
  return seed && { generation, ...seed }
}

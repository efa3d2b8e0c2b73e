/**
 * A process that commits a directory once and prints what came of it as one line of JSON: `node commit-child.ts JSON`
 * with the fields of `CommitChildOptions`. Made to be run as a user who may not read everything.
 */
import { mkdirSync } from 'node:fs'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { Committer } from '@holdfast/generations/commit/committer'
import { chunkIdFromHex } from '@holdfast/generations/format/chunk-id'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import type { GenerationIndex } from '@holdfast/generations/index/generation-index'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { ChunkReader } from '@holdfast/generations/read/chunk-reader'
import { loadCurrentChunks, readableChunks } from '@holdfast/generations/read/load-chunk-index'
import { RestoreThreads } from '@holdfast/generations/restore/restore-threads'
import { restoreTree } from '@holdfast/generations/restore/restore-tree'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { openFolderObjectStore } from '@holdfast/generations/store/folder-object-store'
import type { ObjectStore } from '@holdfast/generations/store/object-store'
import type { CommitChildAnswer, CommitChildOptions } from './commit-process.ts'

const options: CommitChildOptions = JSON.parse(process.argv[2] ?? '{}')
async function commit(): Promise<CommitChildAnswer> {
  const random = { clock: systemClock, randomness: systemRandomness }
  await using store = await openFolderObjectStore(options.store, random)
  await using index = await SqliteGenerationIndex.open({ path: options.index })
  await using holdfs = await Holdfs.start()
  await using pool = new StagePool(1)
  const lease = await index.acquire(options.workspace)
  const committer = await Committer.open({ ...random, store, index, holdfs, pool, sealKey: null }, lease)
  const image = { path: options.source, changes: { kind: 'unknown' }, consistency: 'cut' } as const
  const outcome = await committer.commit(image, { cause: 'sync', message: '' })
  const head = outcome.kind === 'committed' ? outcome.generation : outcome.head
  if (options.restoreTo !== undefined) await restore({ store, index, holdfs }, head.root, options.restoreTo)
  return { kind: outcome.kind, id: head.id, root: head.root }
}

async function restore(
  ports: { store: ObjectStore; index: GenerationIndex; holdfs: Holdfs },
  root: string,
  path: string,
): Promise<void> {
  const coding = { seal: null }
  const { workspace } = options
  const { org } = await ports.index.workspace(workspace)
  const current = await loadCurrentChunks({ ...ports, coding }, { org, workspace })
  const chunks = new ChunkReader({ ...ports, coding, index: readableChunks(current) })
  const setOwners = process.getuid?.() === 0
  mkdirSync(path)
  const deps = { ...ports, coding, chunks, threads: new RestoreThreads(1, null), setOwners }
  await restoreTree(deps, { root: chunkIdFromHex(root), path })
}

try {
  console.log(JSON.stringify(await commit()))
} catch (error) {
  if (!isFailure(error)) throw error
  console.log(JSON.stringify({ kind: 'failed', code: error.code, details: error.details }))
}

import { Failure } from '@holdfast/base/failure'
import { chunkIdFromHex, chunkIdOf } from '../format/chunk-id.ts'
import { packKey } from '../format/names.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import { readPackEnd } from '../read/pack-reader.ts'
import type { StoreDeps } from './maintenance-deps.ts'
import type { ReadableChunks } from './mark-workspace.ts'

/**
 * The record of a generation, wherever it stands now: as a chunk once compaction has moved it, else at the end of the
 * pack that its commit completed. Rejects with `object-corrupt`, or as reading does.
 */
export async function readRecord(
  deps: StoreDeps,
  chunks: ReadableChunks,
  { id, recordPack }: Pick<GenerationRow, 'id' | 'recordPack'>,
): Promise<Uint8Array> {
  const chunk = chunkIdFromHex(id)
  if (chunks.index.find(chunk)) return chunks.reader.read(chunk)
  const object = await deps.store.head(packKey(recordPack))
  if (object === undefined)
    throw new Failure('object-missing', `the record of ${id} is gone with ${recordPack}`, { id })
  const { record } = await readPackEnd(deps, { name: recordPack, bytes: object.bytes })
  if (record && chunkIdOf(record) === chunk) return record
  throw new Failure('object-corrupt', `${recordPack} does not end with the record of ${id}`, { id })
}

import { type BigIntStats, closeSync, constants, existsSync, fstatSync, openSync } from 'node:fs'
import type { ByteString } from '../format/byte-string.ts'
import type { DatabaseEntry } from '../format/entry.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import type { SourceDirectory } from '../scan/source-directory.ts'
import { sourceFailure } from '../scan/survey.ts'
import { databaseState } from '../sqlite/database-state.ts'
import { fileReader } from '../sqlite/file-reader.ts'
import { DatabaseChecksum } from '../sqlite/page-checksum.ts'
import { parsePageDelta } from '../sqlite/page-delta.ts'
import type { DatabaseMemory, DeltaMark } from '../stage/database-memory.ts'

/** A delta larger than this is damage: a new base is cheaper long before. */
const DELTA_BYTES_MAX = 2 ** 31

/**
 * What a commit would remember of a database that stands on disk as its entry says: every page is read once. Undefined
 * when it stands otherwise: the next change begins a new page log.
 */
export async function seedDatabase(
  source: SourceDirectory,
  chunks: ChunkReader,
  { path, entry }: { readonly path: ByteString; readonly entry: DatabaseEntry },
): Promise<DatabaseMemory | undefined> {
  const read = readDatabase(source, path)
  if (read?.checksum.value !== entry.checksum || read.checksum.pageBytes !== entry.pageBytes) return undefined
  const deltas: DeltaMark[] = []
  for (const { content } of entry.deltas) {
    const { pages, pageCountBefore, checksumBefore } = parsePageDelta(
      await chunks.readContent(content, DELTA_BYTES_MAX),
    )
    deltas.push({ pages: Uint32Array.from(pages, ({ page }) => page), pageCountBefore, checksumBefore })
  }
  return { ...read, deltas }
}

function readDatabase(source: SourceDirectory, path: ByteString): Omit<DatabaseMemory, 'deltas'> | undefined {
  const main = open(source, path)
  const wal = existsSync(source.resolve(`${path}-wal`)) ? open(source, `${path}-wal`) : undefined
  try {
    const image = databaseState({
      database: fileReader(main),
      wal: wal === undefined ? undefined : fileReader(wal),
    })
    if (image.kind !== 'database') return undefined
    const { pageBytes, pageCount, overlaidPages, walEnd } = image.state
    return {
      checksum: DatabaseChecksum.fromState(image.state),
      captured: { pageBytes, pageCount, overlaidPages, walEnd },
      mainFile: markOf(fstatSync(main, { bigint: true })),
      pin: undefined,
    }
  } finally {
    closeSync(main)
    if (wal !== undefined) closeSync(wal)
  }
}

function open(source: SourceDirectory, path: ByteString): number {
  try {
    return openSync(source.resolve(path), constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    throw sourceFailure(error, path, 'open')
  }
}

function markOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): DatabaseMemory['mainFile'] {
  return { inode: Number(ino), bytes: Number(size), mtimeNs, ctimeNs }
}

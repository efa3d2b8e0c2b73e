import { isFailure } from '@holdfast/base/failure'
import { type ByteString, joinPath } from '../format/byte-string.ts'
import {
  type HoldableDatabase,
  type HoldScope,
  LARGE_DATABASE_BYTES_MIN,
} from '../live-sqlite/database-hold.ts'
import type { SurveyedDirectory } from '../scan/survey.ts'
import { DATABASE_MAGIC, type FileStager } from './file-stager.ts'

/** The size of a database is a multiple of its page size, and of this. */
const SECTOR_BYTES = 512
/** The read version in the header: 2 says that it keeps a WAL. */
const READ_VERSION_AT = 19
const WAL_VERSION = 2

/** The databases among the changed files that `scope` speaks of. */
export function holdableDatabases(
  surveyed: readonly SurveyedDirectory[],
  files: FileStager,
  scope: HoldScope,
): HoldableDatabase[] {
  if (scope === 'none') return []
  const found: HoldableDatabase[] = []
  for (const directory of surveyed) {
    if (!directory.isUnchanged) found.push(...databasesIn(directory, files, scope))
  }
  return found
}

function databasesIn(
  directory: SurveyedDirectory,
  files: FileStager,
  scope: 'large' | 'all',
): HoldableDatabase[] {
  const bytesMin = scope === 'large' ? LARGE_DATABASE_BYTES_MIN : SECTOR_BYTES
  let positions: ReadonlyMap<ByteString, number> | undefined
  const found: HoldableDatabase[] = []
  for (const [index, name] of directory.names.entries()) {
    const bytes = directory.bytesOf(index)
    if (directory.kindOf(index) !== 'file' || bytes < bytesMin || bytes % SECTOR_BYTES !== 0) continue
    positions ??= positionsOf(directory)
    const wal = positions.get(`${name}-wal`)
    const isChanged = directory.isChanged(index) || (wal !== undefined && directory.isChanged(wal))
    const path = joinPath(directory.path, name)
    const journal = isChanged ? journalOf(files, path) : undefined
    // Nobody has a database open that keeps a WAL and has no index of it.
    const isOpen = journal === 'rollback' ? scope === 'all' : positions.has(`${name}-shm`)
    if (journal !== undefined && isOpen) found.push({ path, bytes, journal })
  }
  return found
}

function positionsOf({ names }: SurveyedDirectory): ReadonlyMap<ByteString, number> {
  return new Map(names.map((name, index) => [name, index]))
}

/** Undefined for a file that is no database, or that cannot be read: whoever stages it meets that again. */
function journalOf(files: FileStager, path: ByteString): HoldableDatabase['journal'] | undefined {
  const head = Buffer.alloc(READ_VERSION_AT + 1)
  try {
    files.readHead(path, head)
  } catch (error) {
    if (isFailure(error)) return undefined
    throw error
  }
  if (!head.subarray(0, DATABASE_MAGIC.length).equals(DATABASE_MAGIC)) return undefined
  return head[READ_VERSION_AT] === WAL_VERSION ? 'wal' : 'rollback'
}

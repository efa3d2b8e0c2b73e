import { closeSync, constants, lstatSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { type ByteString, toText } from '../format/byte-string.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import { fileReader } from '../sqlite/file-reader.ts'
import { journalState, recoveryOf } from '../sqlite/journal.ts'

/** A database in the midst of a transaction with others: opened elsewhere than at its path, it keeps half of that. */
export interface BoundDatabase {
  /** In its directory. */
  readonly path: string
  /** The absolute path at which SQLite looks for the file that ends the transaction. */
  readonly superJournal: string
}

/** Those of the databases of a directory that recover only at the path of their writers. */
export function boundDatabases(directory: string, databases: readonly ByteString[]): BoundDatabase[] {
  return databases.flatMap((path) => {
    const superJournal = superJournalOf(directory, path)
    return superJournal === undefined ? [] : [{ path: toText(path), superJournal }]
  })
}

/** The path of the file without which opening a database tears its transaction; undefined where there is none. */
export function superJournalOf(directory: string, path: ByteString): string | undefined {
  using source = new SourceDirectory(directory)
  const journal = source.resolve(`${path}-journal`)
  if (!lstatSync(journal, { throwIfNoEntry: false })?.isFile()) return undefined
  return withReader(source.resolve(path), (database) =>
    withReader(journal, (reader) => {
      const state = journalState(reader)
      const isBound = recoveryOf(database.bytes, state) === 'rollback-at-its-path'
      return isBound && state.kind === 'hot' ? state.superJournal : undefined
    }),
  )
}

/** The directory where a database recovers whose directory the writers had at `writersPath`. */
export function recoversAt({ superJournal }: BoundDatabase, writersPath: string): string {
  return superJournal.startsWith(`${writersPath}/`) ? writersPath : dirname(superJournal)
}

function withReader<T>(path: string | Buffer, read: (reader: ReturnType<typeof fileReader>) => T): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return read(fileReader(fd))
  } finally {
    closeSync(fd)
  }
}

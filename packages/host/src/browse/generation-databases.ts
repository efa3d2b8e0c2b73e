import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import {
  type ByteString,
  fromText,
  joinPath,
  parentPath,
  toFsPath,
  toText,
} from '@holdfast/generations/format/byte-string'
import type { DatabaseEntry, Entry } from '@holdfast/generations/format/entry'
import { entryBytes, writeContent, writeDatabase } from '@holdfast/generations/read/entry-bytes'
import { findEntry } from '@holdfast/generations/read/tree-reader'
import { superJournalOf } from '@holdfast/generations/restore/bound-databases'
import { targetFailure } from '@holdfast/generations/restore/piece-writer'
import { Slots } from '../slots.ts'
import type { BrowseBounds, BrowseDeps } from './browse-deps.ts'
import { DatabaseCache, type HeldDirectory } from './database-cache.ts'
import { askDatabase, type DatabaseAnswer, seenAt } from './database-process.ts'
import type { OpenGeneration, PlacedEntry } from './open-generation.ts'

/** The name of every database in its own directory: those of the workspace are never paths of the host. */
const NAME = 'database'
/** Who opens databases: nobody. */
const READER_ID = 65_534
const SETTLE_MS_MAX = 60_000
const AT_ONCE = 2
const WAITING_MAX = 32

export interface StoredDatabase {
  readonly generation: OpenGeneration
  readonly path: ByteString
  readonly entry: DatabaseEntry
}

/** The database at a place. Rejects with `invalid-argument` for anything else. */
export function requireDatabase(generation: OpenGeneration, { path, entry }: PlacedEntry): StoredDatabase {
  if (entry.kind === 'database') return { generation, path, entry }
  const told = toText(path) || '.'
  throw new Failure('invalid-argument', `${told} is no SQLite database but a ${entry.kind}`, { path: told })
}

/** Databases of generations as files of this host, and what SQLite says of them. */
export class GenerationDatabases {
  readonly #deps: Pick<BrowseDeps, 'mountPath' | 'isRoot' | 'clock'>
  readonly #bounds: BrowseBounds
  readonly #cache: DatabaseCache
  readonly #slots = new Slots({ atOnce: AT_ONCE, waiting: WAITING_MAX })

  constructor(deps: Pick<BrowseDeps, 'mountPath' | 'isRoot' | 'clock' | 'scratch'>, bounds: BrowseBounds) {
    this.#deps = deps
    this.#bounds = bounds
    this.#cache = new DatabaseCache(join(deps.scratch, 'databases'), bounds.cachedBytesMax)
  }

  /** The file that a restore would make, until the result is disposed of. */
  async holdFile(database: StoredDatabase): Promise<HeldDirectory & { readonly file: string }> {
    const { key, entry } = { key: keyOf('as-found', database), ...database }
    const held = await this.#cache.hold({ key, bytes: entryBytes(entry) }, (directory) =>
      this.#write(directory, database),
    )
    return { ...held, file: join(held.directory, NAME), [Symbol.dispose]: () => held[Symbol.dispose]() }
  }

  /**
   * What a query on the database answers, after what was under way in it is rolled back. Rejects with `unsupported-here`
   * where that cannot be done, with `too-large` or `overloaded`, and as reading the store does.
   */
  async query(database: StoredDatabase, sql: string | null, signal?: AbortSignal): Promise<DatabaseAnswer> {
    using held = await this.#holdSettled(database)
    const { rowsMax, answerBytesMax: bytesMax, cellBytesMax, queryMsMax: msMax } = this.#bounds
    const { isRoot, clock } = this.#deps
    const { directory } = held
    const path = seenAt({ isRoot, directory }, NAME)
    return await this.#slots.during(() =>
      askDatabase({
        request: { kind: 'query', path, sql, rowsMax, bytesMax, cellBytesMax },
        ...{ directory, msMax, isRoot, clock, ...(signal ? { signal } : {}) },
      }),
    )
  }

  async #holdSettled(database: StoredDatabase): Promise<HeldDirectory> {
    const { generation, path, entry } = database
    const journal = await findEntry(generation.chunks, generation.root, `${path}-journal`)
    const bytes = entryBytes(entry) + (journal ? entryBytes(journal) : 0)
    return await this.#cache.hold({ key: keyOf('settled', database), bytes }, async (directory) => {
      await this.#write(directory, database)
      if (journal?.kind === 'file') await this.#settleWith(journal, directory, database)
      if (this.#deps.isRoot) handOver(fromText(directory))
    })
  }

  async #write(directory: string, { generation, path, entry }: StoredDatabase): Promise<void> {
    try {
      await writeDatabase(generation.chunks, entry, { directory, name: NAME })
    } catch (error) {
      throw targetFailure(error, path, 'write the database')
    }
  }

  async #settleWith(
    journal: Extract<Entry, { kind: 'file' }>,
    directory: string,
    database: StoredDatabase,
  ): Promise<void> {
    await writeContent(database.generation.chunks, journal.content, join(directory, `${NAME}-journal`))
    const superJournal = superJournalOf(directory, NAME)
    if (superJournal === undefined) await this.#settleThere(directory)
    else await this.#settleAtItsPath(directory, database, superJournal)
  }

  async #settleThere(directory: string): Promise<void> {
    const { isRoot } = this.#deps
    if (isRoot) handOver(fromText(directory))
    const path = seenAt({ isRoot, directory }, NAME)
    await this.#settle({ directory, path })
  }

  /** Whether the transaction was ended is told by a file at an absolute path: that is where the database is opened. */
  async #settleAtItsPath(directory: string, database: StoredDatabase, superJournal: string): Promise<void> {
    const { mountPath, isRoot } = this.#deps
    const { generation, path } = database
    const told = { path: toText(path), superJournal }
    if (!superJournal.startsWith(`${mountPath}/`))
      throw new Failure(
        'unsupported-here',
        `its transaction was begun at another path: ${superJournal}`,
        told,
      )
    if (!isRoot)
      throw new Failure(
        'unsupported-here',
        `it recovers only at ${mountPath}, and mounting it there needs root`,
        told,
      )
    const tree = join(directory, 'tree')
    const at = (inner: ByteString) => toFsPath(joinPath(fromText(tree), inner))
    mkdirSync(at(parentPath(path)), { recursive: true })
    renameSync(join(directory, NAME), at(path))
    renameSync(join(directory, `${NAME}-journal`), at(`${path}-journal`))
    const inner = fromText(superJournal.slice(mountPath.length + 1))
    const ending = await findEntry(generation.chunks, generation.root, inner)
    if (ending?.kind === 'file') {
      mkdirSync(at(parentPath(inner)), { recursive: true })
      await writeContent(generation.chunks, ending.content, at(inner))
    }
    handOver(fromText(tree))
    // It stays: removing a mount point takes it from everybody who has something mounted there meanwhile.
    mkdirSync(mountPath, { recursive: true })
    await this.#settle({ directory: tree, path: `${mountPath}/${path}`, mountPath })
    renameSync(at(path), join(directory, NAME))
    rmSync(tree, { recursive: true })
  }

  async #settle(at: { directory: string; path: string; mountPath?: string }): Promise<void> {
    const { isRoot, clock } = this.#deps
    const { path, ...place } = at
    const { lines } = await this.#slots.during(() =>
      askDatabase({ request: { kind: 'settle', path }, ...place, msMax: SETTLE_MS_MAX, isRoot, clock }),
    )
    const last = lines.at(-1)
    if (last !== undefined && 'end' in last) return
    const said = last !== undefined && 'refused' in last ? last.refused : 'it did not end in time'
    throw new Failure('invalid-argument', `SQLite cannot roll back what was under way: ${said}`)
  }
}

function keyOf(form: 'as-found' | 'settled', { generation, path }: StoredDatabase): string {
  return `${form} ${generation.row.id} ${path}`
}

/** Gives a directory and what is in it to whoever opens databases, and to nobody else but root. */
function handOver(directory: ByteString): void {
  const path = toFsPath(directory)
  chownSync(path, READER_ID, READER_ID)
  chmodSync(path, 0o700)
  for (const entry of readdirSync(path, { withFileTypes: true, encoding: 'latin1' })) {
    const inner = joinPath(directory, entry.name)
    if (entry.isDirectory()) handOver(inner)
    else chownSync(toFsPath(inner), READER_ID, READER_ID)
  }
}

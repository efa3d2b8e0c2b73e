import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import fc from 'fast-check'
import { applyPageDelta } from './apply-delta.ts'
import { byteReader } from './byte-reader.ts'
import { changedPages, type FileChanges } from './changed-pages.ts'
import type { CapturedPages, DatabaseState } from './database-state.ts'
import { advance, encodeDelta, startOf } from './encode-delta.ts'
import { journalState } from './journal.ts'
import { DatabaseChecksum } from './page-checksum.ts'
import { parsePageDelta } from './page-delta.ts'
import {
  assertSamePages,
  bytesOf,
  type Engine,
  OpenImage,
  recoverInPlace,
  Scratch,
  stateOf,
} from './recovery.fixture.ts'
import type { WalIndex } from './wal-index.ts'

const pageSizes = [512, 1024, 4096, 65_536]

/** What a writer may do between two captures. */
type Step =
  | { readonly do: 'insert'; readonly rows: number; readonly bytes: number }
  | { readonly do: 'sql'; readonly sql: string }
  | { readonly do: 'recreate'; readonly pageBytes: number }
  | { readonly do: 'resize-pages'; readonly pageBytes: number }
  | { readonly do: 'reopen' }
  | { readonly do: 'pin' }
  | { readonly do: 'unpin' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('insert' as const),
      rows: fc.integer({ min: 1, max: 25 }),
      bytes: fc.integer({ min: 1, max: 4000 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc
      .constantFrom(
        'DELETE FROM t WHERE id % 3 = 1',
        'DELETE FROM t',
        'UPDATE t SET a = randomblob(700) WHERE id % 5 = 0',
        'UPDATE t SET a = a',
        'VACUUM',
        'PRAGMA wal_checkpoint(PASSIVE)',
        'PRAGMA wal_checkpoint(RESTART)',
        'PRAGMA wal_checkpoint(TRUNCATE)',
        'PRAGMA wal_autocheckpoint=8',
        'PRAGMA wal_autocheckpoint=0',
        'PRAGMA journal_mode=wal',
        'PRAGMA journal_mode=delete',
        'PRAGMA journal_mode=truncate',
        'PRAGMA journal_mode=persist',
        'BEGIN; UPDATE t SET a = randomblob(1500)',
        'BEGIN; DELETE FROM t WHERE id % 2 = 0',
        'COMMIT',
        'COMMIT',
        'ROLLBACK',
      )
      .map((sql) => ({ do: 'sql' as const, sql })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...pageSizes).map((pageBytes) => ({ do: 'recreate' as const, pageBytes })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...pageSizes).map((pageBytes) => ({ do: 'resize-pages' as const, pageBytes })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('reopen' as const, 'pin' as const, 'unpin' as const)
      .map((verb) => ({ do: verb })),
  },
)

/** A writer with a small cache, so that open transactions spill into the WAL or the main file. */
class Writer implements Disposable {
  readonly path: string
  readonly #scratch: Scratch
  #database: DatabaseSync
  #reader: DatabaseSync | undefined

  constructor(scratch: Scratch, path: string, pageBytes: number) {
    this.#scratch = scratch
    this.path = path
    this.#database = this.#create(pageBytes)
  }

  take(taken: Step): void {
    try {
      this.#take(taken)
    } catch (error) {
      // Steps come in any order: some are refused inside a transaction, outside one, or under a reader.
      assert.match(String(error), /transaction|locked|SQL statements in progress|no such table/)
    }
  }

  #take(taken: Step): void {
    switch (taken.do) {
      case 'insert': {
        const statement = this.#database.prepare('INSERT INTO t(a) VALUES (randomblob(?))')
        for (let row = 0; row < taken.rows; row++) statement.run(taken.bytes)
        return
      }
      case 'sql':
        this.#database.exec(taken.sql)
        return
      case 'recreate':
        this.#close()
        this.#scratch.removeImage(this.path)
        this.#database = this.#create(taken.pageBytes)
        return
      case 'resize-pages':
        this.#database.exec(`PRAGMA journal_mode=delete; PRAGMA page_size=${taken.pageBytes}; VACUUM`)
        this.#database.exec('PRAGMA journal_mode=wal')
        return
      case 'reopen':
        this.#close()
        this.#database = this.#open()
        return
      case 'pin':
        this.#reader ??= new DatabaseSync(this.path)
        this.#reader.exec('BEGIN; SELECT count(*) FROM t')
        return
      case 'unpin':
        this.#reader?.close()
        this.#reader = undefined
    }
  }

  #create(pageBytes: number): DatabaseSync {
    const database = this.#open(`PRAGMA page_size=${pageBytes}; PRAGMA journal_mode=wal`)
    database.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, a BLOB)')
    return database
  }

  #open(first = ''): DatabaseSync {
    const database = new DatabaseSync(this.path, { timeout: 0 })
    database.exec(`${first}; PRAGMA synchronous=off; PRAGMA cache_size=2; PRAGMA wal_autocheckpoint=20`)
    return database
  }

  #close(): void {
    this.#reader?.close()
    this.#reader = undefined
    this.#database.close()
  }

  [Symbol.dispose](): void {
    this.#close()
  }
}

/** Keeps a second database up to date by deltas alone, as the page log does. */
class Replica {
  bytes: Buffer = Buffer.alloc(0)
  deltaPages = 0
  #checksum: DatabaseChecksum | undefined
  #previous: CapturedPages | undefined
  #overlay: WalIndex | undefined
  #mainFile: Buffer = Buffer.alloc(0)

  get earlier(): WalIndex | undefined {
    return this.#overlay
  }

  follow(state: DatabaseState, mainFile: Buffer): void {
    const { pageBytes } = state
    if (this.#checksum?.pageBytes !== pageBytes) {
      this.#checksum = new DatabaseChecksum(pageBytes)
      this.#previous = undefined
      this.bytes = Buffer.alloc(0)
    }
    const fileChanges = differences(this.#mainFile, mainFile)
    const candidates = changedPages({ previous: this.#previous, current: state, fileChanges })
    const applied = this.#checksum.clone()
    const start = startOf(applied)
    const pages = advance(this.#checksum, state, candidates)
    this.#apply(applied, encodeDelta(state, this.#checksum, { start, pages }))
    assert.equal(applied.value, this.#checksum.value)
    this.#previous = { ...state, walEnd: state.walEnd }
    this.#overlay = state.overlay
    this.#mainFile = mainFile
  }

  #apply(checksum: DatabaseChecksum, bytes: Uint8Array): void {
    const delta = parsePageDelta(bytes)
    const grown = Buffer.alloc(Math.max(this.bytes.byteLength, delta.pageCountAfter * delta.pageBytes))
    grown.set(this.bytes)
    applyPageDelta(checksum, delta, (firstPage, pages) => grown.set(pages, (firstPage - 1) * delta.pageBytes))
    this.deltaPages += delta.pages.length
    this.bytes = grown.subarray(0, checksum.pageCount * delta.pageBytes)
  }
}

/** The exact byte ranges in which two versions of a file differ, by sector: the least that a volume reports. */
function differences(before: Buffer, after: Buffer): FileChanges {
  const ranges: { offset: number; length: number }[] = []
  for (let offset = 0; offset < after.byteLength; offset += 512) {
    const sector = after.subarray(offset, offset + 512)
    const old = before.subarray(offset, offset + 512)
    if (Buffer.compare(old, sector) !== 0) ranges.push({ offset, length: sector.byteLength })
  }
  return ranges
}

interface Seen {
  captures: number
  hotJournals: number
  uncommittedFrames: number
  resumed: number
}

/** Captures the writer's files as they are now, and holds state and replica against SQLite's own recovery. */
function capture(parts: {
  scratch: Scratch
  path: string
  replica: Replica
  engine: Engine
  seen: Seen
}): void {
  const { scratch, path, replica, engine, seen } = parts
  const copy = scratch.copyImage(path)
  const journal = existsSync(`${copy}-journal`) ? readFileSync(`${copy}-journal`) : undefined
  const hot = journal !== undefined && journalState(byteReader(journal)).kind === 'hot'
  using image = new OpenImage(copy)
  const state = stateOf({ ...image.files, earlier: replica.earlier })
  replica.follow(state, readFileSync(copy))
  const found = bytesOf(state)
  assertSamePages(replica.bytes, found, state.pageBytes)
  const walBytes = image.files.wal?.bytes ?? 0
  recoverInPlace(copy, engine)
  const recovered = readFileSync(copy)
  if (!hot) assertSamePages(found, recovered, state.pageBytes)
  const restored = scratch.file('restored.db')
  writeFileSync(restored, replica.bytes)
  if (journal !== undefined) writeFileSync(`${restored}-journal`, journal)
  recoverInPlace(restored, engine)
  assertSamePages(readFileSync(restored), recovered, state.pageBytes)
  for (const file of [copy, restored]) scratch.removeImage(file)
  seen.captures++
  if (hot) seen.hotJournals++
  if (walBytes > 32 + (state.walEnd?.frame ?? 0) * (24 + state.pageBytes)) seen.uncommittedFrames++
  if (state.overlay?.continues !== undefined) seen.resumed++
}

test('whatever a writer does, each capture and its replica by deltas equal the recovery of SQLite', () => {
  const seen: Seen = { captures: 0, hotJournals: 0, uncommittedFrames: 0, resumed: 0 }
  fc.assert(
    fc.property(
      fc.constantFrom(...pageSizes),
      fc.array(step, { minLength: 5, maxLength: 25 }),
      (size, steps) => {
        using scratch = new Scratch()
        using writer = new Writer(scratch, scratch.file('live.db'), size)
        const replica = new Replica()
        for (const [index, taken] of steps.entries()) {
          writer.take(taken)
          const engine = index % 8 === 7 ? 'cli' : 'node'
          capture({ scratch, path: writer.path, replica, engine, seen })
        }
      },
    ),
    { seed: 2026, numRuns: 45, endOnFailure: true },
  )
  assert(seen.captures > 400 && seen.hotJournals > 5, JSON.stringify(seen))
  assert(seen.uncommittedFrames > 20 && seen.resumed > 50, JSON.stringify(seen))
})

test('a writer that checkpoints all the time costs the pages of its transactions, not of its WAL', () => {
  using scratch = new Scratch()
  using writer = new Writer(scratch, scratch.file('live.db'), 4096)
  const replica = new Replica()
  const seen: Seen = { captures: 0, hotJournals: 0, uncommittedFrames: 0, resumed: 0 }
  writer.take({ do: 'sql', sql: 'PRAGMA wal_autocheckpoint=0' })
  writer.take({ do: 'insert', rows: 300, bytes: 3500 })
  capture({ scratch, path: writer.path, replica, engine: 'node', seen })
  const basePages = replica.deltaPages
  writer.take({ do: 'sql', sql: 'PRAGMA wal_checkpoint(PASSIVE)' })
  capture({ scratch, path: writer.path, replica, engine: 'node', seen })
  assert.equal(replica.deltaPages, basePages, 'a checkpoint alone changes no page')
  writer.take({ do: 'insert', rows: 1, bytes: 100 })
  capture({ scratch, path: writer.path, replica, engine: 'node', seen })
  assert(replica.deltaPages - basePages <= 4, `${replica.deltaPages - basePages} pages`)
})

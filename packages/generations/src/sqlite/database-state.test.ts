import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { lockPageNumber } from './database-header.ts'
import { databaseState } from './database-state.ts'
import { pageHash } from './page-hash.ts'
import {
  assertSamePages,
  bytesOf,
  memoryImage,
  OpenImage,
  recoverInPlace,
  Scratch,
  signedWal,
  stateOf,
} from './recovery.fixture.ts'

/** The main file and the WAL of a small database that nobody has checkpointed. */
function smallImage(scratch: Scratch, name: string, pageBytes = 4096): { main: Buffer; wal: Buffer } {
  const path = scratch.file(name)
  using database = new DatabaseSync(path)
  database.exec(`PRAGMA page_size=${pageBytes}; PRAGMA journal_mode=wal; CREATE TABLE t(a)`)
  database.exec('INSERT INTO t VALUES (randomblob(20000))')
  return { main: readFileSync(path), wal: readFileSync(`${path}-wal`) }
}

test('a main file with nothing but its first page takes all else from the WAL', () => {
  using scratch = new Scratch()
  const { main, wal } = smallImage(scratch, 'a.db')
  assert.equal(main.byteLength, 4096)
  const state = stateOf(memoryImage(main, wal))
  assert(state.pageCount > 5)
  assert.equal(state.overlaidPages.length, state.pageCount)
})

test('a WAL beside an empty main file is ignored, as both engines delete it', () => {
  using scratch = new Scratch()
  const { wal } = smallImage(scratch, 'a.db')
  assert.deepEqual(databaseState(memoryImage(new Uint8Array(), wal)), { kind: 'empty' })
  for (const engine of ['node', 'cli'] as const) {
    const path = scratch.file(`${engine}.db`)
    writeFileSync(path, '')
    writeFileSync(`${path}-wal`, wal)
    if (engine === 'node') {
      using database = new DatabaseSync(path)
      assert.equal(database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n, 0)
    } else {
      recoverInPlaceWithoutWal(path)
    }
    assert(!existsSync(`${path}-wal`) && statSync(path).size === 0)
  }
})

function recoverInPlaceWithoutWal(path: string): void {
  // The checkpoint of a database without a WAL answers 0|-1|-1.
  recoverInPlace(path, 'cli')
}

test('a destroyed first page of the main file is taken from the WAL', () => {
  using scratch = new Scratch()
  const { wal } = smallImage(scratch, 'a.db')
  const garbage = Buffer.alloc(4096, 0xa7)
  const state = stateOf(memoryImage(garbage, wal))
  const path = scratch.file('b.db')
  writeFileSync(path, garbage)
  writeFileSync(`${path}-wal`, wal)
  recoverInPlace(path, 'node')
  assertSamePages(bytesOf(state), readFileSync(path), 4096)
  assert.deepEqual(databaseState(memoryImage(garbage)), { kind: 'foreign', reason: 'header' })
})

test('a main file that ends within a page reads as SQLite reads it: zeros behind the end', () => {
  using scratch = new Scratch()
  const { main } = smallImage(scratch, 'a.db')
  const state = stateOf(memoryImage(Buffer.concat([main, Buffer.from('tail')])))
  assert.equal(state.pageCount, 2)
  assert.equal(Buffer.from(state.readPage(2)).toString('latin1'), `tail${'\0'.repeat(4092)}`)
  assert.equal(Buffer.from(bytesOf(state)).subarray(4096, 4100).toString(), 'tail')
})

test('an image that SQLite would refuse or misread is foreign, with the reason', () => {
  using scratch = new Scratch()
  const { main, wal } = smallImage(scratch, 'a.db')
  const reasonOf = (mainBytes: Uint8Array, walBytes?: Uint8Array): string => {
    const image = databaseState(memoryImage(mainBytes, walBytes))
    return image.kind === 'foreign' ? image.reason : image.kind
  }
  assert.equal(reasonOf(Buffer.from('not a database'), undefined), 'header')
  assert.equal(reasonOf(main, resigned(wal, 4, 3_007_001)), 'wal-version')
  assert.equal(reasonOf(main, resigned(wal, 32 + 4, 0x0fff_ffff, true)), 'page-count-exceeds-files')
  const smaller = smallImage(scratch, 'b.db', 1024)
  assert.equal(reasonOf(main, withoutFirstPage(smaller.wal)), 'page-sizes-differ')
})

/** The WAL with one word changed and its sums made right; `single` keeps only the first frame, as a commit. */
function resigned(wal: Buffer, offset: number, word: number, single = false): Buffer {
  const pageBytes = wal.readUInt32BE(8)
  const bytes = Buffer.from(single ? wal.subarray(0, 32 + 24 + pageBytes) : wal)
  bytes.writeUInt32BE(word, offset)
  return signedWal(bytes)
}

/** The WAL as if its transactions had not written page 1. */
function withoutFirstPage(wal: Buffer): Buffer {
  const bytes = Buffer.from(wal)
  const frameBytes = 24 + bytes.readUInt32BE(8)
  for (let at = 32; at + frameBytes <= bytes.byteLength; at += frameBytes) {
    if (bytes.readUInt32BE(at) === 1) bytes.writeUInt32BE(2, at)
  }
  return signedWal(bytes)
}

test('the lock page of a database above one gibibyte is zeros and no part of it', () => {
  using scratch = new Scratch()
  const path = scratch.file('large.db')
  const lockPage = lockPageNumber(65_536)
  using database = new DatabaseSync(path)
  database.exec('PRAGMA page_size=65536; PRAGMA synchronous=off; PRAGMA journal_mode=off; CREATE TABLE t(a)')
  for (const bytes of [900_000_000, 173_600_000]) {
    database.exec(`INSERT INTO t VALUES (zeroblob(${bytes}))`)
  }
  database.exec('PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0')
  database.exec('INSERT INTO t VALUES (randomblob(400000))')
  using image = new OpenImage(path)
  const state = stateOf(image.files)
  assert(state.pageCount > lockPage, `${state.pageCount} pages`)
  assert(!state.overlaidPages.includes(lockPage))
  assert(state.readPage(lockPage).every((byte) => byte === 0))
  const near: number[] = []
  state.eachPage((page) => {
    if (Math.abs(page - lockPage) <= 1) near.push(page)
  })
  assert.deepEqual(near, [lockPage - 1, lockPage + 1])
  const pages = [...state.overlaidPages, lockPage - 1, lockPage + 1]
  const captured = pages.map((page) => pageHash(state.readPage(page)))
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  using after = new OpenImage(path)
  const checkpointed = stateOf(after.files)
  assert.equal(checkpointed.pageCount, state.pageCount)
  assert.deepEqual(
    pages.map((page) => pageHash(checkpointed.readPage(page))),
    captured,
  )
})

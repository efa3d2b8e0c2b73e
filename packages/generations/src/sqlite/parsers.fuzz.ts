import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { byteReader } from './byte-reader.ts'
import { parseChecksum, serialiseChecksum } from './checksum-cache.ts'
import { parseDatabaseHeader } from './database-header.ts'
import { databaseState } from './database-state.ts'
import { advance, encodeDelta, startOf } from './encode-delta.ts'
import { journalState, parseSuperJournal, recoveryOf } from './journal.ts'
import { DatabaseChecksum } from './page-checksum.ts'
import { parsePageDelta } from './page-delta.ts'
import { memoryImage, Scratch, stateOf } from './recovery.fixture.ts'
import { readWal, resumeWal } from './wal.ts'

const seed = 20_261
const options = { seed, numRuns: 1500 }
const scratch = new Scratch()
let main: Buffer
let wal: Buffer
let journal: Buffer

before(() => {
  console.log(`# fuzz seed ${seed}`)
  const path = scratch.file('a.db')
  using database = new DatabaseSync(path)
  database.exec('PRAGMA page_size=512; PRAGMA journal_mode=wal; CREATE TABLE t(a); PRAGMA cache_size=2')
  database.exec('INSERT INTO t VALUES (randomblob(6000)); BEGIN; UPDATE t SET a = randomblob(6000); COMMIT')
  main = readFileSync(path)
  wal = readFileSync(`${path}-wal`)
  database.exec('PRAGMA journal_mode=delete; BEGIN; UPDATE t SET a = randomblob(6000)')
  journal = readFileSync(`${path}-journal`)
})

after(() => scratch[Symbol.dispose]())

/** Valid bytes with a few places overwritten and the end cut, or any bytes at all. */
function hostile(valid: () => Uint8Array): fc.Arbitrary<Uint8Array> {
  const word = fc.oneof(fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff), fc.nat())
  const edits = fc.array(fc.tuple(fc.nat(400), word), { maxLength: 4 })
  const mutated = fc.tuple(edits, fc.nat(100)).map(([changes, keptPercent]) => {
    const bytes = Buffer.from(valid())
    for (const [at, value] of changes) {
      if (at + 4 <= bytes.byteLength) bytes.writeUInt32BE(value, at)
    }
    return keptPercent > 50 ? bytes : bytes.subarray(0, Math.floor((bytes.byteLength * keptPercent) / 50))
  })
  return fc.oneof(
    { weight: 4, arbitrary: mutated },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  )
}

/** Runs a parser that may refuse its bytes, by name only. */
function named(parse: () => void): void {
  try {
    parse()
  } catch (error) {
    assert(isFailure(error, 'foreign-format', 'version-unknown', 'object-corrupt'), String(error))
  }
}

test('no bytes make the readers of SQLite files throw or run away', () => {
  const files = fc.tuple(
    hostile(() => main),
    hostile(() => wal),
    hostile(() => journal),
  )
  fc.assert(
    fc.property(files, ([mainBytes, walBytes, journalBytes]) => {
      parseDatabaseHeader(mainBytes)
      recoveryOf(mainBytes.byteLength, journalState(byteReader(journalBytes)))
      parseSuperJournal(journalBytes)
      const whole = readWal(byteReader(wal))
      assert(whole.kind === 'frames')
      resumeWal(byteReader(walBytes), whole.committed)
      for (const [database, overlay] of [
        [mainBytes, wal],
        [main, walBytes],
        [mainBytes, walBytes],
      ] as const) {
        const image = databaseState(memoryImage(database, overlay))
        if (image.kind !== 'database') continue
        let pages = 0
        image.state.eachPage((page, bytes) => {
          assert.equal(bytes.byteLength, image.state.pageBytes, `page ${page}`)
          pages++
        })
        assert.equal(pages, image.state.pageCount)
      }
    }),
    options,
  )
})

test('no bytes make the parser of page deltas throw anything but a named failure', () => {
  const state = stateOf(memoryImage(main, wal))
  const checksum = new DatabaseChecksum(state.pageBytes)
  const start = startOf(checksum)
  const all = Uint32Array.from({ length: state.pageCount }, (_, index) => index + 1)
  const pages = advance(checksum, state, all)
  const delta = encodeDelta(state, checksum, { start, pages })
  fc.assert(
    fc.property(
      hostile(() => delta),
      (bytes) => named(() => parsePageDelta(bytes)),
    ),
    options,
  )
})

test('no bytes make the parser of checksum tables throw anything but a named failure', () => {
  const table = serialiseChecksum(DatabaseChecksum.fromState(stateOf(memoryImage(main, wal))))
  fc.assert(
    fc.property(
      hostile(() => table),
      (bytes) => named(() => parseChecksum(bytes)),
    ),
    options,
  )
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { lockPageNumber, parseDatabaseHeader } from './database-header.ts'
import { Scratch } from './recovery.fixture.ts'

const pageSizes = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536]

test('the header of a real database is read for every page size and journal mode', () => {
  using scratch = new Scratch()
  for (const pageBytes of pageSizes) {
    for (const [mode, version] of [['delete', 1] as const, ['wal', 2] as const]) {
      const path = scratch.file(`${mode}-${pageBytes}.db`)
      const database = new DatabaseSync(path)
      database.exec(`PRAGMA page_size=${pageBytes}; PRAGMA journal_mode=${mode}; CREATE TABLE t(a)`)
      database.exec('INSERT INTO t VALUES (1)')
      database.close()
      const bytes = readFileSync(path)
      const header = parseDatabaseHeader(bytes.subarray(0, 100))
      assert(header !== undefined)
      assert.equal(header.pageBytes, pageBytes)
      assert.equal(header.pageCount, bytes.byteLength / pageBytes)
      assert.deepEqual([header.readVersion, header.writeVersion], [version, version])
      assert.equal(header.reservedBytes, 0)
      assert(header.changeCounter > 0)
    }
  }
})

test('a page count whose writer did not keep it is not trusted', () => {
  using scratch = new Scratch()
  const path = scratch.file('a.db')
  const database = new DatabaseSync(path)
  database.exec('CREATE TABLE t(a)')
  database.close()
  const bytes = readFileSync(path)
  bytes.writeUInt32BE(bytes.readUInt32BE(24) + 1, 24)
  assert.equal(parseDatabaseHeader(bytes)?.pageCount, undefined)
})

test('a header with any impossible field is no header', () => {
  using scratch = new Scratch()
  const path = scratch.file('a.db')
  const database = new DatabaseSync(path)
  database.exec('CREATE TABLE t(a)')
  database.close()
  const good = readFileSync(path).subarray(0, 100)
  const impossible: readonly (readonly [number, readonly number[]])[] = [
    [0, [0x73]],
    [15, [1]],
    [16, [0, 0]],
    [16, [1, 0xff]],
    [16, [0x10, 0x01]],
    [18, [3]],
    [19, [0]],
    [20, [255, 64, 32]],
    [21, [65]],
    [22, [33]],
    [23, [31]],
  ]
  for (const [offset, bytes] of impossible) {
    const damaged = Buffer.from(good)
    damaged.set(bytes, offset)
    if (offset === 20) damaged.writeUInt16BE(512, 16)
    assert.equal(parseDatabaseHeader(damaged), undefined, `bytes ${bytes} at ${offset}`)
  }
  assert.equal(parseDatabaseHeader(good.subarray(0, 99)), undefined)
})

test('the lock page holds the byte at one gibibyte', () => {
  for (const pageBytes of pageSizes) {
    const start = (lockPageNumber(pageBytes) - 1) * pageBytes
    assert(start <= 1_073_741_824 && 1_073_741_824 < start + pageBytes)
  }
})

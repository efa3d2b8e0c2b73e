import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** As `ledger-writer.py` has them. */
const ROWS_KEPT = 64
const FILES_KEPT = 32
const PARTS = 4

export const LEDGER = 'ledger.db'
export const FILES = 'files'

/**
 * Opens the ledger in `directory`, which recovers it, and holds it to its rules; returns the last
 * row and the last file.
 */
export function auditLedger(directory: string): { readonly rows: number; readonly files: number } {
  const rows = auditRows(join(directory, LEDGER))
  const numbers = fileNumbers(join(directory, FILES))
  const files = numbers.at(-1) ?? 0
  assert(files === rows || files === rows - 1, `${rows} rows, but the last file is ${files}`)
  const first = numbers[0] ?? 1
  const expected = Array.from({ length: files - first + 1 }, (_, index) => first + index)
  assert.deepEqual(numbers, expected, 'no file between is missing')
  assert(
    first <= Math.max(1, files - FILES_KEPT + 1) && first >= files - FILES_KEPT,
    `file ${first} is the oldest`,
  )
  for (const n of numbers) {
    const found = readFileSync(join(directory, FILES, `${n % PARTS}`, `${n}`))
    assert(found.equals(contentOf(n)), `file ${n} has other content: ${found.length} bytes`)
  }
  return { rows, files }
}

function auditRows(path: string): number {
  const database = new DatabaseSync(path)
  try {
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok')
    const rows = database.prepare('SELECT n, content FROM entry ORDER BY n').all()
    const last = Number(rows.at(-1)?.n ?? 0)
    const first = Math.max(1, last - ROWS_KEPT + 1)
    assert.equal(rows.length, last - first + 1)
    for (const [index, { n, content }] of rows.entries()) {
      assert.equal(n, first + index)
      const expected = contentOf(first + index).subarray(0, 400)
      assert(content instanceof Uint8Array && expected.equals(content), `row ${n} has other content`)
    }
    return last
  } finally {
    database.close()
  }
}

function fileNumbers(files: string): number[] {
  const parts = readdirSync(files).filter((name) => name !== 'temporary')
  return parts.flatMap((part) => readdirSync(join(files, part)).map(Number)).sort((a, b) => a - b)
}

function contentOf(n: number): Buffer {
  const word = Buffer.alloc(8)
  word.writeBigUInt64BE(BigInt(n))
  return Buffer.alloc(8 * (1 + ((n * 7919) % 3000)), word)
}

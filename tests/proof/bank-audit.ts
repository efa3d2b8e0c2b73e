import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { byteReader } from '@holdfast/generations/sqlite/byte-reader'
import { journalState } from '@holdfast/generations/sqlite/journal'
import { assertSamePages, bytesOf, memoryImage, stateOf } from '@holdfast/generations/sqlite/recovery.fixture'

/** As `bank-writer.py` has them. */
const ENTRIES_KEPT = 16
const ACCOUNTS = 150

export const BANK = 'bank.db'
const SUFFIXES = ['', '-wal', '-journal'] as const

/** What lies beside a captured database: a WAL with committed frames, a journal to roll back with, or nothing that counts. */
export type Found = 'frames' | 'hot journal' | 'settled'

export interface Audit {
  /** What is wrong, in words; empty for a bank that is as its writer left it after some transaction. */
  readonly faults: readonly string[]
  readonly found: Found
  /** The last transaction that it holds; -1 if it cannot be read. */
  readonly transactions: number
}

/** Opens a copy of the bank in `directory` with SQLite and holds it against the rules of its writer. */
export function auditBank(directory: string, scratch: string): Audit {
  const copy = copyBank(directory, scratch)
  try {
    const { found, overlaid } = overlayOf(copy)
    const { faults, transactions } = recoverAndAudit(copy)
    if (found !== 'hot journal' && !overlaid.equals(readFileSync(copy)))
      faults.push("the pages are not those of SQLite's recovery")
    return { faults, found, transactions }
  } finally {
    removeBank(copy)
  }
}

/** Both banks, each recovered by SQLite, have the same bytes. */
export function assertSameBank(restored: string, captured: string, scratch: string): void {
  const [found, expected] = [restored, captured].map((directory) => {
    const copy = copyBank(directory, scratch)
    try {
      assert.deepEqual(recoverAndAudit(copy).faults, [], directory)
      return readFileSync(copy)
    } finally {
      removeBank(copy)
    }
  })
  assert(found && expected)
  assertSamePages(found, expected, 4096)
}

function copyBank(directory: string, scratch: string): string {
  const copy = join(scratch, 'copy.db')
  for (const suffix of SUFFIXES) {
    const file = join(directory, BANK + suffix)
    if (existsSync(file)) copyFileSync(file, copy + suffix)
  }
  return copy
}

function removeBank(path: string): void {
  for (const suffix of [...SUFFIXES, '-shm']) rmSync(path + suffix, { force: true })
}

function fileBytes(path: string): Buffer | undefined {
  return existsSync(path) ? readFileSync(path) : undefined
}

/** The pages as the engine reads them from the files as they were captured. */
function overlayOf(path: string): { readonly found: Found; readonly overlaid: Buffer } {
  const main = readFileSync(path)
  const journal = fileBytes(`${path}-journal`)
  const state = stateOf(memoryImage(main, fileBytes(`${path}-wal`)))
  const overlaid = bytesOf(state)
  if (state.overlay !== undefined) return { found: 'frames', overlaid }
  if (journal === undefined || journalState(byteReader(journal)).kind !== 'hot')
    return { found: 'settled', overlaid }
  assert(overlaid.subarray(0, main.length).equals(main), 'the pages are not those of the file')
  return { found: 'hot journal', overlaid }
}

/** Lets SQLite recover, checks the bank, and moves all of the WAL into the main file. */
function recoverAndAudit(path: string): { faults: string[]; transactions: number } {
  const faults: string[] = []
  const database = new DatabaseSync(path)
  try {
    const numbers = readNumbers(database)
    faults.push(...integrityFaults(database))
    faults.push(...bankFaults(numbers), ...entryFaults(database, numbers.transactions))
    assert.equal(database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy, 0)
    return { faults, transactions: numbers.transactions }
  } catch (error) {
    return { faults: [...faults, String(error)], transactions: -1 }
  } finally {
    database.close()
  }
}

interface BankNumbers {
  readonly sum: number
  readonly accounts: number
  readonly transactions: number
}

function readNumbers(database: DatabaseSync): BankNumbers {
  const row = database
    .prepare(
      `SELECT (SELECT sum(balance) FROM "left") + (SELECT sum(balance) FROM "right") AS sum,
              (SELECT count(*) FROM "left") + (SELECT count(*) FROM "right") AS accounts,
              (SELECT n FROM counter) AS transactions`,
    )
    .get()
  return { sum: Number(row?.sum), accounts: Number(row?.accounts), transactions: Number(row?.transactions) }
}

function integrityFaults(database: DatabaseSync): string[] {
  const rows = database.prepare('PRAGMA integrity_check').all()
  return rows.map((row) => String(row.integrity_check)).filter((line) => line !== 'ok')
}

function bankFaults({ sum, accounts }: BankNumbers): string[] {
  return [
    ...(sum === 0 ? [] : [`money appeared: the balances sum to ${sum}`]),
    ...(accounts === 2 * ACCOUNTS ? [] : [`${accounts} accounts are left`]),
  ]
}

function entryFaults(database: DatabaseSync, transactions: number): string[] {
  const entries = database.prepare('SELECT n, content FROM entry ORDER BY n').all()
  const first = Math.max(1, transactions - ENTRIES_KEPT + 1)
  const expected = Array.from({ length: transactions - first + 1 }, (_, index) => first + index)
  const found = entries.map(({ n }) => Number(n))
  if (found.join() !== expected.join()) return [`after transaction ${transactions} the entries are ${found}`]
  return entries.flatMap(({ n, content }) => {
    const bytes = content instanceof Uint8Array ? content : new Uint8Array()
    return contentOf(Number(n)).equals(bytes) ? [] : [`entry ${n} has other content`]
  })
}

function contentOf(n: number): Buffer {
  const word = Buffer.alloc(8)
  word.writeBigUInt64BE(BigInt(n))
  return Buffer.alloc(8 * (10 + ((n * 7919) % 1500)), word)
}

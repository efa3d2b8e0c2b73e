/*
 * The rollback journal of SQLite, as far as one must know it to keep a database with it.
 * Source: https://www.sqlite.org/fileformat2.html section 3; the tail: `readSuperJournal` in SQLite's `src/pager.c`.
 *
 *   header, padded to a sector           tail, when the transaction spans several databases
 *   0  magic d9d505f920a163d7            ..  page number of the lock page u32
 *   8  page records; -1: to the end      ..  absolute path of the super-journal, n bytes
 *   12 nonce of the record checksums     -16 n u32
 *   16 pages of the database before      -12 sum of the path's bytes u32
 *   20 sector size                       -8  magic
 *   24 page size
 *
 * SQLite plays a journal back when its first byte is not zero. One that names a super-journal is played back only if
 * a file of that absolute path exists: the path is part of the database's state.
 */
import { type ByteReader, viewOf } from './byte-reader.ts'
import { isPageBytes } from './database-header.ts'

const magicHigh = 0xd9d5_05f9
const magicLow = 0x20a1_63d7
const headerBytes = 28
const tailBytes = 16
const sectorBytesMin = 32
const sectorBytesMax = 65_536
/** SQLite's own bound is 512; longer names are no names. */
const superJournalNameBytesMax = 4096
const superJournalBytesMax = 65_536

export interface JournalHeader {
  /** Page records that follow; undefined: as many as the file holds. */
  readonly records: number | undefined
  readonly pageCountBefore: number
  readonly sectorBytes: number
  readonly pageBytes: number
}

export type JournalState =
  /** No byte (`journal_mode=TRUNCATE` between transactions): ignored. */
  | { readonly kind: 'empty' }
  /** The first byte is zero (`journal_mode=PERSIST` between transactions): ignored. */
  | { readonly kind: 'zeroed' }
  /** The next opener of a database that is not empty rolls back with it, or decides that it is stale. */
  | { readonly kind: 'hot'; readonly header: JournalHeader; readonly superJournal: string | undefined }
  /** Not zeroed, but without a valid header: the next opener restores no page and deletes it. */
  | { readonly kind: 'headless' }

/** Recognises what a file named `<database>-journal` means to the next opener. */
export function journalState(journal: ByteReader): JournalState {
  if (journal.bytes === 0) return { kind: 'empty' }
  const first = new Uint8Array(journal.read(0, headerBytes))
  if (first.byteLength === 0) return { kind: 'empty' }
  if (first[0] === 0) return { kind: 'zeroed' }
  const header = parseJournalHeader(first)
  if (header === undefined) return { kind: 'headless' }
  return { kind: 'hot', header, superJournal: superJournalName(journal) }
}

/**
 * What opening the database does to it. `rollback-at-its-path`: only with the directory at the path that the writer
 * used does recovery see the super-journal; anywhere else it keeps one database's half of a transaction, and
 * `integrity_check` still says ok.
 */
export type Recovery = 'none' | 'rollback' | 'rollback-at-its-path'

/** Decides which recovery a database of `databaseBytes` needs; SQLite ignores the journal of an empty one. */
export function recoveryOf(databaseBytes: number, journal: JournalState): Recovery {
  if (databaseBytes === 0 || journal.kind !== 'hot') return 'none'
  return journal.superJournal === undefined ? 'rollback' : 'rollback-at-its-path'
}

function parseJournalHeader(first: Uint8Array): JournalHeader | undefined {
  if (first.byteLength < headerBytes) return undefined
  const view = viewOf(first)
  if (view.getUint32(0) !== magicHigh || view.getUint32(4) !== magicLow) return undefined
  const records = view.getUint32(8)
  const sectorBytes = view.getUint32(20)
  const pageBytes = view.getUint32(24)
  if (!isPageBytes(pageBytes) || !isSectorBytes(sectorBytes)) return undefined
  return {
    records: records === 0xffff_ffff ? undefined : records,
    pageCountBefore: view.getUint32(16),
    sectorBytes,
    pageBytes,
  }
}

function isSectorBytes(bytes: number): boolean {
  return bytes >= sectorBytesMin && bytes <= sectorBytesMax && (bytes & (bytes - 1)) === 0
}

/** The name at the end of a journal; undefined when there is none, or when its sum is wrong. */
export function superJournalName(journal: ByteReader): string | undefined {
  if (journal.bytes < tailBytes) return undefined
  const tail = viewOf(journal.read(journal.bytes - tailBytes, tailBytes))
  if (tail.byteLength < tailBytes) return undefined
  const nameBytes = tail.getUint32(0)
  const expectedSum = tail.getUint32(4)
  if (tail.getUint32(8) !== magicHigh || tail.getUint32(12) !== magicLow) return undefined
  if (nameBytes === 0 || nameBytes > superJournalNameBytesMax || nameBytes > journal.bytes - tailBytes) {
    return undefined
  }
  const name = journal.read(journal.bytes - tailBytes - nameBytes, nameBytes)
  return sumMatches(name, expectedSum) ? Buffer.from(name).toString('utf8') : undefined
}

/** SQLite sums C `char`s, which are signed on x86 and unsigned on ARM: either sum may be in the file. */
function sumMatches(name: Uint8Array, expected: number): boolean {
  let unsigned = 0
  let signed = 0
  for (const byte of name) {
    unsigned += byte
    signed += byte < 128 ? byte : byte - 256
  }
  return unsigned >>> 0 === expected || signed >>> 0 === expected
}

/**
 * The absolute paths of the journals that a super-journal (`<database>-mj…`) covers: names that each end in a zero
 * byte. Undefined when the bytes are none, as when the machine stopped while it was written.
 */
export function parseSuperJournal(bytes: Uint8Array): readonly string[] | undefined {
  if (bytes.byteLength === 0 || bytes.byteLength > superJournalBytesMax || bytes.at(-1) !== 0)
    return undefined
  const names = Buffer.from(bytes.subarray(0, -1)).toString('utf8').split('\0')
  return names.every((name) => name.startsWith('/')) ? names : undefined
}

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type ByteReader, byteReader } from './byte-reader.ts'
import { type DatabaseState, databaseState, type ImageFiles } from './database-state.ts'
import { RunningChecksum } from './wal-checksum.ts'

/** SQLite inside Node, and the older one of the system's command line. */
export type Engine = 'node' | 'cli'

/** A directory that is removed at the end of the scope. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'))
  #copies = 0

  file(name: string): string {
    return join(this.path, name)
  }

  /** Copies a database with its WAL and journal, as a snapshot would, and returns the copy's path. */
  copyImage(database: string): string {
    const copy = this.file(`copy-${++this.#copies}.db`)
    for (const suffix of ['', '-wal', '-journal']) {
      if (existsSync(database + suffix)) copyFileSync(database + suffix, copy + suffix)
    }
    return copy
  }

  removeImage(database: string): void {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(database + suffix, { force: true })
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** A reader of a file that re-uses one Buffer, as production readers do: `slice` of what it returns copies nothing. */
export class FileReader implements ByteReader, Disposable {
  readonly bytes: number
  readonly #descriptor: number
  #buffer = Buffer.alloc(65_536)

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r')
    this.bytes = fstatSync(this.#descriptor).size
  }

  read(offset: number, length: number): Uint8Array {
    if (length > this.#buffer.byteLength) this.#buffer = Buffer.alloc(length)
    const count = readSync(this.#descriptor, this.#buffer, 0, length, offset)
    return this.#buffer.subarray(0, count)
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor)
  }
}

export class OpenImage implements Disposable {
  readonly files: ImageFiles
  readonly #readers: FileReader[] = []

  constructor(database: string) {
    const open = (path: string): FileReader => {
      const reader = new FileReader(path)
      this.#readers.push(reader)
      return reader
    }
    this.files = {
      database: open(database),
      wal: existsSync(`${database}-wal`) ? open(`${database}-wal`) : undefined,
    }
  }

  [Symbol.dispose](): void {
    for (const reader of this.#readers) reader[Symbol.dispose]()
  }
}

/** Opens the image with SQLite itself, lets it recover, and moves all of the WAL into the main file. */
export function recoverInPlace(database: string, engine: Engine): void {
  const read = 'SELECT count(*) FROM sqlite_schema'
  const checkpoint = 'PRAGMA wal_checkpoint(TRUNCATE)'
  if (engine === 'cli') {
    const output = execFileSync('sqlite3', ['-bail', database, `${read}; ${checkpoint};`], {
      encoding: 'utf8',
    })
    assert.match(output, /\n0\|/, 'the checkpoint was complete')
    return
  }
  const opened = new DatabaseSync(database)
  try {
    opened.prepare(read).all()
    assert.equal(opened.prepare(checkpoint).get()?.busy, 0)
  } finally {
    opened.close()
  }
}

/** The state of an image that must be a database. */
export function stateOf(files: ImageFiles): DatabaseState {
  const image = databaseState(files)
  assert(image.kind === 'database', `found ${JSON.stringify(image)}`)
  return image.state
}

/** All pages one after another; the lock page as zeros. */
export function bytesOf(state: DatabaseState): Buffer {
  const all = Buffer.alloc(state.pageBytes * state.pageCount)
  state.eachPage((page, bytes) => {
    all.set(bytes, (page - 1) * state.pageBytes)
  })
  return all
}

export function memoryImage(database: Uint8Array, wal?: Uint8Array): ImageFiles {
  return { database: byteReader(database), wal: wal === undefined ? undefined : byteReader(wal) }
}

/** Fails on the first page that differs, by number: a diff of whole files says nothing. */
export function assertSamePages(found: Uint8Array, expected: Uint8Array, pageBytes: number): void {
  assert.equal(found.byteLength / pageBytes, expected.byteLength / pageBytes, 'the number of pages')
  for (let at = 0; at < expected.byteLength; at += pageBytes) {
    const same =
      Buffer.compare(found.subarray(at, at + pageBytes), expected.subarray(at, at + pageBytes)) === 0
    assert(same, `page ${at / pageBytes + 1} differs`)
  }
}

/** The WAL with its sums made right for its present content, in the byte order that its magic names. */
export function signedWal(wal: Uint8Array): Buffer {
  const bytes = Buffer.from(wal)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const frameBytes = 24 + view.getUint32(8)
  const sum = new RunningChecksum((view.getUint32(0) & 1) === 0, 0, 0)
  sum.add(view, 0, 24)
  view.setUint32(24, sum.first)
  view.setUint32(28, sum.second)
  for (let at = 32; at + frameBytes <= bytes.byteLength; at += frameBytes) {
    sum.add(view, at, at + 8)
    sum.add(view, at + 24, at + frameBytes)
    view.setUint32(at + 16, sum.first)
    view.setUint32(at + 20, sum.second)
  }
  return bytes
}

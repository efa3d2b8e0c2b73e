import { DatabaseSync } from 'node:sqlite'
import { present } from '@holdfast/base/assert'
import { type ByteString, toFsPath } from '../format/byte-string.ts'
import type { PinCall, PinReply } from './pin-messages.ts'

/*
 * A process that holds locks on databases which others write. It is a process of its own because the kernel drops all
 * of a process's locks on a file when that process closes any descriptor of it: here nothing but SQLite ever opens one.
 *
 * For each database: two reader connections that take turns (one is pinned before the other is let go), one for the
 * barrier and one for the checkpoint. No table is made and no page is written but by the checkpoint.
 */
const LOCK_WAIT_MS = 200
const SQLITE_BUSY = 5

class PinnedDatabase {
  readonly #readers: [DatabaseSync, DatabaseSync]
  readonly #barrier: DatabaseSync
  readonly #checkpointer: DatabaseSync
  /** The reader whose transaction is the older one. */
  #older = 0

  constructor(path: ByteString) {
    const open = () => new DatabaseSync(toFsPath(path), { timeout: LOCK_WAIT_MS })
    this.#readers = [open(), open()]
    this.#barrier = open()
    this.#checkpointer = open()
  }

  get journalMode(): string {
    const row = this.#checkpointer.prepare('PRAGMA journal_mode').get()
    return String(row?.journal_mode ?? '')
  }

  pin(): void {
    begin(this.#reader(0))
  }

  overlap(): void {
    begin(this.#reader(1))
  }

  dropOlder(): void {
    this.#reader(0).exec('ROLLBACK')
    this.#older = 1 - this.#older
  }

  takeBarrier(): void {
    this.#barrier.exec('BEGIN IMMEDIATE')
  }

  /** While nobody can commit, the WAL cannot start again between the end of one read transaction and the next. */
  checkpoint(): void {
    try {
      this.#reader(0).exec('ROLLBACK')
      this.#checkpointer.exec('PRAGMA wal_checkpoint(PASSIVE)')
      begin(this.#reader(0))
    } finally {
      this.#barrier.exec('ROLLBACK')
    }
  }

  close(): void {
    for (const connection of [...this.#readers, this.#barrier, this.#checkpointer]) connection.close()
  }

  #reader(turn: 0 | 1): DatabaseSync {
    return present(this.#readers[(this.#older + turn) % 2], 'a reader')
  }
}

/** A read transaction begins with its first read. */
function begin(connection: DatabaseSync): void {
  connection.exec('BEGIN')
  try {
    connection.prepare('SELECT count(*) FROM sqlite_master').get()
  } catch (error) {
    connection.exec('ROLLBACK')
    throw error
  }
}

const databases = new Map<ByteString, PinnedDatabase>()

function carryOut(call: PinCall): string {
  if (call.kind === 'pin') {
    const database = new PinnedDatabase(call.path)
    try {
      database.pin()
    } catch (error) {
      database.close()
      throw error
    }
    databases.set(call.path, database)
    return database.journalMode
  }
  const database = present(databases.get(call.path), 'a pinned database')
  switch (call.kind) {
    case 'overlap':
      database.overlap()
      break
    case 'drop-older':
      database.dropOlder()
      break
    case 'barrier':
      database.takeBarrier()
      break
    case 'checkpoint':
      database.checkpoint()
      break
    case 'release':
      databases.delete(call.path)
      database.close()
      return ''
  }
  return database.journalMode
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY
}

function answer(call: PinCall): PinReply {
  try {
    return { id: call.id, kind: 'done', journalMode: carryOut(call) }
  } catch (error) {
    if (isBusy(error)) return { id: call.id, kind: 'busy' }
    return { id: call.id, kind: 'failed', message: error instanceof Error ? error.message : String(error) }
  }
}

process.on('message', (call: PinCall) => process.send?.(answer(call)))
process.on('disconnect', () => process.exit(0))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

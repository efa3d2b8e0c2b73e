import { DatabaseSync } from 'node:sqlite'
import { present } from '@holdfast/base/assert'
import { type ByteString, toFsPath } from '../format/byte-string.ts'
import type { PinCall, PinReply } from './pin-messages.ts'

/*
 * A process that holds locks on databases which others write. It is a process of its own because the kernel drops all
 * of a process's locks on a file when that process closes any descriptor of it: here nothing but SQLite ever opens one.
 *
 * A pinned database has two reader connections that take turns (one is pinned before the other is let go), one for the
 * barrier and one for the checkpoint. No table is made and no page is written but by the checkpoint.
 */
const LOCK_WAIT_MS = 200
const LOCK_POLL_MS = 0.2
const SQLITE_BUSY = 5

class PinnedDatabase {
  readonly #readers: [DatabaseSync, DatabaseSync]
  readonly #barrier: DatabaseSync
  readonly #checkpointer: DatabaseSync
  /** The reader whose transaction is the older one. */
  #older = 0

  constructor(path: ByteString) {
    const open = (timeout: number) => new DatabaseSync(toFsPath(path), { timeout })
    this.#readers = [open(LOCK_WAIT_MS), open(LOCK_WAIT_MS)]
    this.#barrier = open(0)
    this.#checkpointer = open(LOCK_WAIT_MS)
  }

  get keepsWal(): boolean {
    return this.#checkpointer.prepare('PRAGMA journal_mode').get()?.journal_mode === 'wal'
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
    betweenWrites(() => this.#barrier.exec('BEGIN IMMEDIATE'))
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

  [Symbol.dispose](): void {
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

const pinned = new Map<ByteString, PinnedDatabase>()
const locked = new Map<ByteString, DatabaseSync>()
const sleeper = new Int32Array(new SharedArrayBuffer(4))

function lock(path: ByteString): boolean {
  using stack = new DisposableStack()
  const connection = stack.adopt(new DatabaseSync(toFsPath(path), { readOnly: true, timeout: 0 }), (opened) =>
    opened.close(),
  )
  betweenWrites(() => begin(connection))
  locked.set(path, connection)
  stack.move()
  return true
}

/** A writer at full speed lets others in for moments only, which SQLite's own growing waits would miss. */
function betweenWrites(take: () => void): void {
  for (let waits = 0; ; waits++) {
    try {
      take()
      return
    } catch (error) {
      if (!isBusy(error) || waits >= LOCK_WAIT_MS / LOCK_POLL_MS) throw error
    }
    Atomics.wait(sleeper, 0, 0, LOCK_POLL_MS)
  }
}

function pin(path: ByteString): boolean {
  using stack = new DisposableStack()
  const database = stack.use(new PinnedDatabase(path))
  database.pin()
  if (!database.keepsWal) return false
  pinned.set(path, database)
  stack.move()
  return true
}

function release(path: ByteString): boolean {
  pinned.get(path)?.[Symbol.dispose]()
  locked.get(path)?.close()
  return pinned.delete(path) || locked.delete(path)
}

/** False when the database is none that this can be done with. */
function carryOut({ kind, path }: PinCall): boolean {
  if (kind === 'lock') return lock(path)
  if (kind === 'pin') return pin(path)
  if (kind === 'release') return release(path)
  if (kind === 'confirm') return pinned.has(path) || locked.has(path)
  const database = present(pinned.get(path), 'a pinned database')
  if (kind === 'overlap') database.overlap()
  else if (kind === 'drop-older') database.dropOlder()
  else if (kind === 'barrier') database.takeBarrier()
  else database.checkpoint()
  return true
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY
}

function answer(call: PinCall): PinReply {
  try {
    return { id: call.id, kind: carryOut(call) ? 'done' : 'failed' }
  } catch (error) {
    return { id: call.id, kind: isBusy(error) ? 'busy' : 'failed' }
  }
}

process.on('message', (call: PinCall) => process.send?.(answer(call)))
process.on('disconnect', () => process.exit(0))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

import { closeSync, openSync } from 'node:fs'
import { isFailure } from '@holdfast/base/failure'
import { type ByteString, toFsPath } from '../format/byte-string.ts'
import { fileReader } from '../sqlite/file-reader.ts'
import { readWal } from '../sqlite/wal.ts'
import type { ByteSpan } from '../stage/segments.ts'
import { PinClient } from './pin-client.ts'

/** From this many frames in its WAL on, a pinned database is checkpointed: as SQLite does by itself when unpinned. */
const CHECKPOINT_FRAMES = 1000
/** A database that did not change for so many commits is let go: a pin stands in the way of journal_mode changes. */
const IDLE_COMMITS_MAX = 30

interface GuardedDatabase {
  /** Absolute, as bytes. */
  readonly path: ByteString
  /** Pages that changed in the main file since the last commit although the WAL may not show them any more. */
  readonly carried: Set<number>
  pageBytes: number
  /** False until a commit was made under the pin: before it, the main file may have changed unseen. */
  proven: boolean
  idleCommits: number
}

/**
 * Keeps read transactions open on databases that others write, so that a capture needs only their WAL: while one is
 * held, a page of the main file changes only by a checkpoint of frames that the WAL still holds, or that were noted
 * here before the WAL could start again.
 *
 *     commit ─► overlap (a second read transaction at the present end) ─► note the pages in the WAL ─► drop the older
 *     WAL long ─► barrier (write lock) ─► note the pages ─► unpin, checkpoint PASSIVE, pin again ─► end of barrier
 *
 * The older transaction, or the barrier, keeps the WAL from starting again while its pages are noted. A checkpoint is
 * never RESTART or TRUNCATE, which wait for, and then block, the database's own users.
 */
export class DatabaseGuard implements AsyncDisposable {
  readonly #guarded = new Map<ByteString, GuardedDatabase>()
  #client: PinClient | undefined

  /** Pins a WAL database. False when it cannot be: its owner locks others out, or it keeps no WAL. */
  async pin(path: ByteString): Promise<boolean> {
    if (this.#guarded.has(path)) return true
    this.#client ??= new PinClient()
    try {
      const pinned = await this.#client.request({ kind: 'pin', path })
      if (pinned === 'busy') return false
      if (pinned.journalMode === 'wal') {
        this.#guarded.set(path, { path, carried: new Set(), pageBytes: 0, proven: false, idleCommits: 0 })
        return true
      }
      await this.#client.request({ kind: 'release', path })
      return false
    } catch (error) {
      if (isFailure(error, 'helper-failed')) return false
      throw error
    }
  }

  isPinned(path: ByteString): boolean {
    return this.#guarded.has(path)
  }

  /** Ranges of the main file that may differ from the last commit; undefined: nobody knows. */
  changedRanges(path: ByteString): readonly ByteSpan[] | undefined {
    const guarded = this.#guarded.get(path)
    if (!guarded?.proven) return undefined
    const pages = Uint32Array.from(guarded.carried).sort()
    return [...pages].map((page) => ({
      start: (page - 1) * guarded.pageBytes,
      end: page * guarded.pageBytes,
    }))
  }

  /** A commit made under the pins holds: moves them on, and checkpoints the WALs that have grown long. */
  async afterCommit(): Promise<void> {
    for (const guarded of [...this.#guarded.values()]) {
      try {
        await this.#moveOn(guarded)
      } catch (error) {
        this.#guarded.delete(guarded.path)
        if (!isFailure(error, 'helper-failed')) throw error
        this.#client = undefined
      }
    }
  }

  async #moveOn(guarded: GuardedDatabase): Promise<void> {
    guarded.carried.clear()
    guarded.proven = true
    if ((await this.#ask('overlap', guarded)) === 'busy') return
    const frames = this.#notePages(guarded)
    await this.#ask('drop-older', guarded)
    guarded.idleCommits = frames === 0 ? guarded.idleCommits + 1 : 0
    if (frames >= CHECKPOINT_FRAMES) await this.#checkpoint(guarded)
    else if (guarded.idleCommits > IDLE_COMMITS_MAX) await this.#release(guarded)
  }

  async #checkpoint(guarded: GuardedDatabase): Promise<void> {
    if ((await this.#ask('barrier', guarded)) === 'busy') return
    this.#notePages(guarded)
    await this.#ask('checkpoint', guarded)
  }

  async #release(guarded: GuardedDatabase): Promise<void> {
    this.#guarded.delete(guarded.path)
    await this.#ask('release', guarded)
  }

  /** Notes every page that the WAL holds now; returns how many frames it has. */
  #notePages(guarded: GuardedDatabase): number {
    const fd = openSync(toFsPath(`${guarded.path}-wal`), 'r')
    try {
      const wal = readWal(fileReader(fd))
      if (wal.kind !== 'frames') return 0
      guarded.pageBytes = wal.committed.pageBytes
      for (const page of wal.committed.overlaidPages) guarded.carried.add(page)
      return wal.committed.end.frame
    } finally {
      closeSync(fd)
    }
  }

  async #ask(
    kind: 'overlap' | 'drop-older' | 'barrier' | 'checkpoint' | 'release',
    guarded: GuardedDatabase,
  ) {
    return this.#client?.request({ kind, path: guarded.path })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#guarded.clear()
    await this.#client?.[Symbol.asyncDispose]()
  }
}

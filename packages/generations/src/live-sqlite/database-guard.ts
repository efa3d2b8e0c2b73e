import { closeSync, lstatSync, openSync } from 'node:fs'
import { isFailure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { type ByteString, joinPath, toFsPath } from '../format/byte-string.ts'
import { randomName } from '../format/names.ts'
import { fileReader } from '../sqlite/file-reader.ts'
import { readWal } from '../sqlite/wal.ts'
import {
  type DatabaseHold,
  type DatabaseHolds,
  type HoldableDatabase,
  LARGE_DATABASE_BYTES_MIN,
} from './database-hold.ts'
import { PinClient } from './pin-client.ts'
import type { PinReply, PinRequest } from './pin-messages.ts'

/** From this many frames in its WAL on, a pinned database is checkpointed: as SQLite does by itself when unpinned. */
const CHECKPOINT_FRAMES = 1000
/** A database that did not change for so many commits is let go: a pin stands in the way of journal_mode changes. */
const IDLE_COMMITS_MAX = 30
/** Databases that are held at once, each with up to four connections. */
const HELD_MAX = 4096

/** Inode numbers: a pin holds for these files, whatever their names stand for later. */
interface FilesPinned {
  readonly main: number
  readonly wal: number
}

interface PinnedDatabase {
  readonly path: ByteString
  /** New with each pin: what was captured under another one says nothing. */
  readonly pin: string
  readonly files: FilesPinned
  /** Pages that changed in the main file since the last commit although the WAL may not show them any more. */
  readonly carried: Set<number>
  pageBytes: number
  idleCommits: number
}

/**
 * Keeps read transactions open on databases that others write. Under one, what a reader sees of a database cannot
 * change while it is read; and a page of the main file of a large one changes only by a checkpoint of frames that the
 * WAL still holds, or that were noted here before the WAL could start again, so that a capture needs only the WAL:
 *
 *     commit ─► overlap (a second read transaction at the present end) ─► note the pages in the WAL ─► drop the older
 *     WAL long ─► barrier (write lock) ─► note the pages ─► unpin, checkpoint PASSIVE, pin again ─► end of barrier
 *
 * The older transaction, or the barrier, keeps the WAL from starting again while its pages are noted. A checkpoint is
 * never RESTART or TRUNCATE, which wait for, and then block, the database's own users.
 */
export class DatabaseGuard implements AsyncDisposable {
  readonly #directory: ByteString
  readonly #randomness: Randomness
  readonly #pinned = new Map<ByteString, PinnedDatabase>()
  readonly #locked = new Set<ByteString>()
  /** Pins that the databases of the present image are read under. */
  readonly #inUse = new Set<PinnedDatabase>()
  /** Large ones that were met without a pin: they get one after the commit. */
  readonly #wanted = new Set<ByteString>()
  #client: PinClient | undefined

  /** For databases below `directory`, which is absolute; their paths are relative to it. */
  constructor(directory: ByteString, randomness: Randomness) {
    this.#directory = directory
    this.#randomness = randomness
  }

  /** Which of these are pinned, and have been all the time. Takes no lock, so that it may be asked under a freeze. */
  async pinned(databases: readonly HoldableDatabase[]): Promise<DatabaseHolds> {
    return await this.#eachOf(databases, async ({ path, bytes, journal }) => {
      const pinned = this.#pinned.get(path)
      if (pinned && (await this.#confirm(pinned))) return holdOf(pinned)
      if (journal === 'wal' && bytes >= LARGE_DATABASE_BYTES_MIN) this.#wanted.add(path)
      return undefined
    })
  }

  /** Holds these until `letGo`; the large ones that keep a WAL are pinned, and stay so. */
  async hold(databases: readonly HoldableDatabase[]): Promise<DatabaseHolds> {
    return await this.#eachOf(databases, async ({ path, bytes, journal }) => {
      if (journal === 'wal' && bytes >= LARGE_DATABASE_BYTES_MIN) {
        const pinned = await this.#pin(path)
        if (pinned) this.#inUse.add(pinned)
        return pinned && holdOf(pinned)
      }
      if (this.#locked.has(path)) return { kind: 'locked' }
      const isFull = this.#locked.size + this.#pinned.size >= HELD_MAX
      const answer = isFull ? 'busy' : await this.#ask('lock', path)
      if (answer === 'done') this.#locked.add(path)
      if (answer === 'done') return { kind: 'locked' }
      // Without a lock a WAL database is still read steadily: its frames prove themselves.
      return answer === 'busy' && journal === 'rollback' ? { kind: 'busy' } : undefined
    })
  }

  /** Ends what `hold` began. False if a hold was lost: what was read meanwhile may be of no one instant. */
  async letGo(): Promise<boolean> {
    let isHeld = true
    for (const pinned of this.#inUse) isHeld &&= await this.#confirm(pinned)
    this.#inUse.clear()
    for (const path of [...this.#locked]) {
      const answer = await this.#ask('release', path)
      isHeld &&= answer === 'done'
      this.#locked.delete(path)
    }
    return isHeld
  }

  /** A commit holds: moves the pins on, checkpoints the WALs that have grown long, and pins what was met unpinned. */
  async afterCommit(): Promise<void> {
    for (const pinned of [...this.#pinned.values()]) await this.#moveOn(pinned)
    for (const path of this.#wanted) await this.#pin(path)
    this.#wanted.clear()
  }

  async #eachOf(
    databases: readonly HoldableDatabase[],
    holdOne: (database: HoldableDatabase) => Promise<DatabaseHold | undefined>,
  ): Promise<DatabaseHolds> {
    const holds = new Map<ByteString, DatabaseHold>()
    for (const database of databases) {
      const held = await holdOne(database)
      if (held) holds.set(database.path, held)
    }
    return holds
  }

  /** Undefined for one that cannot be: its owner locks others out, or it keeps no WAL. */
  async #pin(path: ByteString): Promise<PinnedDatabase | undefined> {
    const present = this.#pinned.get(path)
    if (present) return (await this.#confirm(present)) ? present : undefined
    if (this.#pinned.size >= HELD_MAX) return undefined
    const before = this.#filesAt(path)
    if ((await this.#ask('pin', path)) !== 'done') return undefined
    const files = this.#filesAt(path)
    if (files === undefined || before?.main !== files.main) {
      await this.#ask('release', path)
      return undefined
    }
    const pin = randomName(this.#randomness)
    const pinned: PinnedDatabase = { path, pin, files, carried: new Set(), pageBytes: 0, idleCommits: 0 }
    this.#pinned.set(path, pinned)
    return pinned
  }

  async #confirm({ path, files }: PinnedDatabase): Promise<boolean> {
    const now = this.#filesAt(path)
    if (now?.main !== files.main || now.wal !== files.wal) return false
    return (await this.#ask('confirm', path)) === 'done'
  }

  #filesAt(path: ByteString): FilesPinned | undefined {
    const main = joinPath(this.#directory, path)
    const inodeOf = (file: ByteString) => lstatSync(toFsPath(file), { throwIfNoEntry: false })?.ino
    const [mainInode, walInode] = [inodeOf(main), inodeOf(`${main}-wal`)]
    return mainInode === undefined || walInode === undefined ? undefined : { main: mainInode, wal: walInode }
  }

  async #moveOn(pinned: PinnedDatabase): Promise<void> {
    if (!(await this.#confirm(pinned))) return await this.#release(pinned)
    if ((await this.#ask('overlap', pinned.path)) !== 'done') return
    pinned.carried.clear()
    const frames = this.#notePages(pinned)
    await this.#ask('drop-older', pinned.path)
    pinned.idleCommits = frames === 0 ? pinned.idleCommits + 1 : 0
    if (frames >= CHECKPOINT_FRAMES) await this.#checkpoint(pinned)
    else if (pinned.idleCommits > IDLE_COMMITS_MAX) await this.#release(pinned)
  }

  async #checkpoint(pinned: PinnedDatabase): Promise<void> {
    if ((await this.#ask('barrier', pinned.path)) !== 'done') return
    this.#notePages(pinned)
    if ((await this.#ask('checkpoint', pinned.path)) !== 'done') await this.#release(pinned)
  }

  async #release({ path }: PinnedDatabase): Promise<void> {
    this.#pinned.delete(path)
    await this.#ask('release', path)
  }

  /** Notes every page that the WAL holds now; returns how many frames it has. */
  #notePages(pinned: PinnedDatabase): number {
    const fd = openSync(toFsPath(`${joinPath(this.#directory, pinned.path)}-wal`), 'r')
    try {
      const wal = readWal(fileReader(fd))
      if (wal.kind !== 'frames') return 0
      pinned.pageBytes = wal.committed.pageBytes
      for (const page of wal.committed.overlaidPages) pinned.carried.add(page)
      return wal.committed.end.frame
    } finally {
      closeSync(fd)
    }
  }

  /** `failed` also when the process has ended: nothing is held any more then, and the next request starts another. */
  async #ask(kind: PinRequest['kind'], path: ByteString): Promise<PinReply['kind']> {
    this.#client ??= new PinClient()
    try {
      return await this.#client.request({ kind, path: joinPath(this.#directory, path) })
    } catch (error) {
      if (!isFailure(error, 'helper-failed')) throw error
      this.#client = undefined
      this.#pinned.clear()
      return 'failed'
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pinned.clear()
    this.#locked.clear()
    this.#inUse.clear()
    await this.#client?.[Symbol.asyncDispose]()
  }
}

function holdOf({ pin, files, carried, pageBytes }: PinnedDatabase): DatabaseHold {
  const changed = [...Uint32Array.from(carried).sort()].map((page) => ({
    start: (page - 1) * pageBytes,
    end: page * pageBytes,
  }))
  return { kind: 'pinned', pin, inode: files.main, changed }
}

import { linkSync, mkdirSync, realpathSync, renameSync, unlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import type { Randomness } from '@holdfast/base/randomness'
import { createDurableFile, removeQuietly, syncFolder } from './durable-file.ts'
import { DurableFolders, ensureFolderPath, statPlain } from './durable-folders.ts'
import { folderFailure, isAbsent } from './folder-failure.ts'
import { listFolder, sweepFolder } from './folder-listing.ts'
import { isUnfinishedMarker, requireMarker } from './folder-marker.ts'
import { ObjectFile } from './object-file.ts'
import {
  checkByteRange,
  checkKeyPrefix,
  checkObjectKey,
  measureParts,
  objectBytesMax,
  objectExists,
  objectMissing,
  rangePastEnd,
} from './object-key.ts'
import type { ByteRange, ObjectStore, StoredObject } from './object-store.ts'

export interface FolderStoreDeps {
  readonly clock: Clock
  readonly randomness: Randomness
}

/** The folder of the objects, and the one of those that are being written, on the same filesystem. */
const objectsName = 'objects'
const unfinishedName = 'tmp'
/** An unfinished object of this age has no writer any more. */
const unfinishedMsMax = 24 * 60 * 60 * 1000

/**
 * Opens the folder `path` as an object store; an absent or empty one becomes a store. Rejects with `foreign-format`
 * when it holds something else, and with `version-unknown` when a newer version wrote it. A store on a read-only
 * filesystem opens, and refuses each `put`.
 */
export async function openFolderObjectStore(path: string, deps: FolderStoreDeps): Promise<ObjectStore> {
  await ensureFolderPath(resolve(path))
  const root = resolveLinks(path)
  await requireMarker(root, deps.randomness)
  const unfinished = join(root, unfinishedName)
  createIfWritable(unfinished)
  const before = deps.clock.wallMs() - unfinishedMsMax
  await sweepFolder(unfinished, { before, accepts: () => true })
  await sweepFolder(root, { before, accepts: isUnfinishedMarker })
  return new FolderObjectStore(root, deps.randomness)
}

class FolderObjectStore implements ObjectStore {
  readonly address: string
  readonly #root: string
  readonly #randomness: Randomness
  readonly #folders: DurableFolders

  constructor(root: string, randomness: Randomness) {
    this.address = `file:${root}`
    this.#root = root
    this.#randomness = randomness
    this.#folders = new DurableFolders(root)
  }

  async put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    checkObjectKey(key)
    measureParts(parts)
    const name = Buffer.from(this.#randomness.bytes(16)).toString('hex')
    const unfinished = join(this.#root, unfinishedName, name)
    try {
      await createDurableFile(unfinished, parts)
      const folder = await this.#publish(unfinished, key, parts)
      await syncFolder(folder)
    } finally {
      removeQuietly(unfinished)
    }
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    checkObjectKey(key)
    if (range) checkByteRange(range)
    using file = this.#open(key)
    if (!file) throw objectMissing(key)
    const wanted = range ?? { offset: 0, length: file.bytes }
    if (wanted.offset + wanted.length > file.bytes || wanted.length > objectBytesMax) {
      throw rangePastEnd(key, file.bytes, wanted)
    }
    const found = await file.read(wanted.offset, wanted.length)
    if (found.length !== wanted.length) throw rangePastEnd(key, wanted.offset + found.length, wanted)
    return found
  }

  async head(key: string): Promise<{ readonly bytes: number } | undefined> {
    checkObjectKey(key)
    const folder = this.#folders.find(foldersOf(key))
    const stats = folder === undefined ? undefined : statPlain(join(folder, nameOf(key)))
    return stats?.isFile() ? { bytes: stats.size } : undefined
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    checkKeyPrefix(prefix)
    const above = prefix.split('/').slice(0, -1)
    const folder = this.#folders.find([objectsName, ...above])
    if (folder !== undefined) yield* listFolder(folder, { above, prefix })
  }

  async delete(key: string): Promise<void> {
    checkObjectKey(key)
    const folder = this.#folders.find(foldersOf(key))
    if (folder === undefined) return
    const path = join(folder, nameOf(key))
    try {
      unlinkSync(path)
    } catch (error) {
      if (isAbsent(error) || errnoOf(error) === 'EISDIR') return
      throw folderFailure('unlink', path, error)
    }
    await syncFolder(folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #open(key: string): ObjectFile | undefined {
    const folder = this.#folders.find(foldersOf(key))
    return folder === undefined ? undefined : ObjectFile.open(join(folder, nameOf(key)))
  }

  /** Gives the finished file its key, and the path of the folder whose names have yet to become durable. */
  async #publish(unfinished: string, key: string, parts: readonly Uint8Array[]): Promise<string> {
    const folder = await this.#folders.ensure(foldersOf(key))
    const path = join(folder, nameOf(key))
    const taken = await this.#linkOrRebuild(unfinished, path, key)
    if (taken) {
      using present = ObjectFile.open(path)
      if (!(await present?.consistsOf(parts))) throw objectExists(key)
      replace(unfinished, path)
    }
    return folder
  }

  /** Links the file as `path`, and says whether that name was taken. */
  async #linkOrRebuild(unfinished: string, path: string, key: string): Promise<boolean> {
    try {
      return linkIsTaken(unfinished, path)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw folderFailure('link', path, error)
    }
    // Somebody removed a folder that this store remembers.
    this.#folders.forget()
    await this.#folders.ensure(foldersOf(key))
    try {
      return linkIsTaken(unfinished, path)
    } catch (error) {
      throw folderFailure('link', path, error)
    }
  }
}

function linkIsTaken(unfinished: string, path: string): boolean {
  try {
    linkSync(unfinished, path)
    return false
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return true
    throw error
  }
}

/**
 * Puts our copy, known to be on disk, in the place of an equal one: the attempt that wrote that one may have failed
 * to sync it, and to sync it once more would report success without writing.
 */
function replace(unfinished: string, path: string): void {
  try {
    renameSync(unfinished, path)
  } catch (error) {
    throw folderFailure('rename', path, error)
  }
}

function foldersOf(key: string): string[] {
  return [objectsName, ...key.split('/').slice(0, -1)]
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}

function resolveLinks(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw folderFailure('open', path, error)
  }
}

function createIfWritable(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    const errno = errnoOf(error)
    if (errno !== 'EEXIST' && errno !== 'EROFS' && errno !== 'EACCES')
      throw folderFailure('mkdir', path, error)
  }
}

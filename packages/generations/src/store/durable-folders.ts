import { lstatSync, mkdirSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { syncFolder } from './durable-file.ts'
import { folderFailure, foreignPath, isAbsent } from './folder-failure.ts'

/** Remembered folders; above this many the memory starts afresh, which costs one fsync a folder. */
const knownFoldersMax = 10_000
/** What a store holds may be private, and only its owner changes it. */
const folderMode = 0o700

/** The folders below one root, each created with a durable name and never through a symbolic link. */
export class DurableFolders {
  readonly #root: string
  readonly #known = new Set<string>()

  constructor(root: string) {
    this.#root = root
  }

  /** Makes `parts` a chain of folders below the root whose names survive power loss; gives the last one's path. */
  async ensure(parts: readonly string[]): Promise<string> {
    let path = this.#root
    for (const part of parts) {
      const parent = path
      path = join(parent, part)
      if (this.#known.has(path)) continue
      createFolder(path)
      // Also when it was there already: whoever created it may have died before this.
      await syncFolder(parent)
      if (this.#known.size >= knownFoldersMax) this.#known.clear()
      this.#known.add(path)
    }
    return path
  }

  /** Forgets what is known to exist, after somebody else removed a folder. */
  forget(): void {
    this.#known.clear()
  }

  /** The path of the folders `parts` below the root, or undefined if one of them does not exist. */
  find(parts: readonly string[]): string | undefined {
    let path = this.#root
    for (const part of parts) {
      path = join(path, part)
      if (!statPlain(path)?.isDirectory()) return undefined
    }
    return path
  }
}

/** What `path` is, or undefined if nothing is there; a symbolic link rejects with `foreign-format`. */
export function statPlain(path: string): Stats | undefined {
  const stats = lstatIfAny(path)
  if (stats?.isSymbolicLink()) throw foreignPath(path, 'a symbolic link')
  return stats
}

/** Creates the folder `path` and those above it that do not exist, all with durable names. */
export async function ensureFolderPath(path: string): Promise<void> {
  if (await createBelowParent(path)) return
  const parent = dirname(path)
  if (parent !== path) await ensureFolderPath(parent)
  if (!(await createBelowParent(path))) {
    throw new Failure('store-unavailable', `${parent} went away, or is a link to nowhere`, { path: parent })
  }
}

/** False if the folder above does not exist. */
async function createBelowParent(path: string): Promise<boolean> {
  try {
    mkdirSync(path, { mode: folderMode })
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EEXIST') return true
    if (errno === 'ENOENT') return false
    throw folderFailure('mkdir', path, error)
  }
  await syncFolder(dirname(path))
  return true
}

function createFolder(path: string): void {
  try {
    mkdirSync(path, { mode: folderMode })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw folderFailure('mkdir', path, error)
    if (!statPlain(path)?.isDirectory()) throw foreignPath(path, 'an object where a folder belongs')
  }
}

function lstatIfAny(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw folderFailure('open', path, error)
  }
}

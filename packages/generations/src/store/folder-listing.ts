import type { Dirent } from 'node:fs'
import { lstat, opendir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { folderFailure, foreignPath, isAbsent } from './folder-failure.ts'
import { isKeyPart, objectKeyBytesMax } from './object-key.ts'
import type { StoredObject } from './object-store.ts'

/** Entries examined at a time. */
const batchMax = 64

/**
 * Every object below `folder` whose key starts with `prefix`; the keys in the folder itself begin with the parts
 * `above`, which are all the finished parts of `prefix`. Names that no key can have are passed over; a symbolic link rejects with `foreign-format`.
 */
export async function* listFolder(
  folder: string,
  scope: { readonly above: readonly string[]; readonly prefix: string },
): AsyncGenerator<StoredObject> {
  for await (const entries of readFolder(folder)) {
    const named = entries
      .filter((entry) => isKeyPart(entry.name))
      .map((entry) => ({ entry, key: [...scope.above, entry.name].join('/') }))
      .filter(({ key }) => key.length <= objectKeyBytesMax && key.startsWith(scope.prefix))
    const objects = named.filter(({ entry }) => !entry.isDirectory())
    const found = await Promise.all(objects.map(({ entry, key }) => describe(join(folder, entry.name), key)))
    for (const object of found) if (object) yield object
    for (const { entry } of named.filter((each) => each.entry.isDirectory())) {
      yield* listFolder(join(folder, entry.name), { ...scope, above: [...scope.above, entry.name] })
    }
  }
}

/** Removes the files of `folder` last written before the instant `before`; whatever refuses stays for next time. */
export async function sweepFolder(
  folder: string,
  which: { readonly before: number; readonly accepts: (name: string) => boolean },
): Promise<void> {
  for await (const entries of readFolder(folder)) {
    for (const { name } of entries.filter((entry) => entry.isFile() && which.accepts(entry.name))) {
      const path = join(folder, name)
      try {
        if ((await lstat(path)).mtimeMs < which.before) await unlink(path)
      } catch {
        // Gone meanwhile, or read-only: an unfinished file costs space and nothing else.
      }
    }
  }
}

async function* readFolder(path: string): AsyncGenerator<Dirent[]> {
  let batch: Dirent[] = []
  try {
    for await (const entry of await opendir(path, { bufferSize: batchMax })) {
      batch.push(entry)
      if (batch.length < batchMax) continue
      yield batch
      batch = []
    }
  } catch (error) {
    if (isAbsent(error)) return
    throw folderFailure('list', path, error)
  }
  yield batch
}

async function describe(path: string, key: string): Promise<StoredObject | undefined> {
  try {
    const stats = await lstat(path)
    if (stats.isSymbolicLink()) throw foreignPath(path, 'a symbolic link')
    return stats.isFile() ? { key, bytes: stats.size, modifiedAt: stats.mtimeMs } : undefined
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw folderFailure('list', path, error)
  }
}

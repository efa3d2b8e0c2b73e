import {
  closeSync,
  constants,
  fsync as fsyncCallback,
  openSync,
  unlinkSync,
  writev as writevCallback,
  writevSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { Failure } from '@holdfast/base/failure'
import { type FolderStep, folderFailure } from './folder-failure.ts'
import { measureParts } from './object-key.ts'

/**
 * Up to here bytes are moved by a call that blocks: into the page cache that takes at most 0.3 ms a MiB, where a
 * round through the thread pool costs 0.03 ms a call. Calls that wait for the disk never block.
 */
export const inlineBytesMax = 1024 * 1024
/** Parts of one `writev`; Linux takes at most 1,024. */
const writevPartsMax = 512
/** Objects never change, so nobody needs to write to them again; only this user may read them. */
const objectMode = 0o400

const fsync = promisify(fsyncCallback)
const writev = promisify(writevCallback)

/**
 * Creates `path` with the bytes of `parts`, on disk when this resolves; the name itself is not durable yet.
 * After a failed fsync or close the descriptor is never used again, because a second call would report success.
 */
export async function createDurableFile(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const descriptor = openNew(path)
  let step: FolderStep = 'write'
  try {
    await writeParts(descriptor, parts)
    step = 'fsync'
    await fsync(descriptor)
  } catch (error) {
    closeQuietly(descriptor)
    throw folderFailure(step, path, error)
  }
  try {
    closeSync(descriptor)
  } catch (error) {
    throw folderFailure('close', path, error)
  }
}

/** Makes the names inside the folder durable: what was created, renamed or removed in it survives power loss. */
export async function syncFolder(path: string): Promise<void> {
  let step: FolderStep = 'open'
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      step = 'fsync'
      await fsync(descriptor)
    } finally {
      closeQuietly(descriptor)
    }
  } catch (error) {
    throw folderFailure(step, path, error)
  }
}

/** Removes a file that nothing depends on; a failure leaves it for a later sweep. */
export function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Left behind at worst: the sweep at the next opening removes it.
  }
}

/** Closes a descriptor whose bytes are not relied upon. */
export function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor)
  } catch {
    // Nothing was written through it that a caller counts on.
  }
}

function openNew(path: string): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, objectMode)
  } catch (error) {
    throw folderFailure('open', path, error)
  }
}

async function writeParts(descriptor: number, parts: readonly Uint8Array[]): Promise<void> {
  const inline = measureParts(parts) <= inlineBytesMax
  for (let first = 0; first < parts.length; first += writevPartsMax) {
    let rest = parts.slice(first, first + writevPartsMax).filter((part) => part.length > 0)
    while (rest.length > 0) {
      const written = inline ? writevSync(descriptor, rest) : (await writev(descriptor, rest)).bytesWritten
      if (written === 0) throw new Failure('store-unavailable', 'the store took none of the bytes', {})
      rest = dropBytes(rest, written)
    }
  }
}

/** What is left of `parts` after their first `count` bytes, as after a write that took only so many. */
export function dropBytes(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  const left: Uint8Array[] = []
  let skip = count
  for (const part of parts) {
    if (skip < part.length) left.push(part.subarray(skip))
    skip = Math.max(0, skip - part.length)
  }
  return left
}

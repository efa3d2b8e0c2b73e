import { constants, fstatSync, openSync, read as readCallback, readSync } from 'node:fs'
import { promisify } from 'node:util'
import { errnoOf } from '@holdfast/base/errno'
import { closeQuietly, inlineBytesMax } from './durable-file.ts'
import { folderFailure, foreignPath, isAbsent } from './folder-failure.ts'

/** Bytes compared at a time. */
const compareBytesMax = 1024 * 1024

const read = promisify(readCallback)

/** An object of a folder store, open for reading. */
export class ObjectFile implements Disposable {
  readonly bytes: number
  readonly #path: string
  readonly #descriptor: number

  private constructor(path: string, descriptor: number, bytes: number) {
    this.#path = path
    this.#descriptor = descriptor
    this.bytes = bytes
  }

  /** The file, or undefined if there is none; a link or a device rejects with `foreign-format`. */
  static open(path: string): ObjectFile | undefined {
    const descriptor = openIfAny(path)
    if (descriptor === undefined) return undefined
    try {
      const stats = fstatSync(descriptor)
      if (stats.isFile()) return new ObjectFile(path, descriptor, stats.size)
      closeQuietly(descriptor)
      if (stats.isDirectory()) return undefined
    } catch (error) {
      closeQuietly(descriptor)
      throw folderFailure('read', path, error)
    }
    throw foreignPath(path, 'neither a file nor a folder')
  }

  /** Up to `length` bytes from `offset`: fewer only where the file ends. */
  async read(offset: number, length: number): Promise<Buffer> {
    const target = Buffer.allocUnsafeSlow(length)
    const inline = length <= inlineBytesMax
    let filled = 0
    try {
      while (filled < length) {
        const at = offset + filled
        const count = inline
          ? readSync(this.#descriptor, target, filled, length - filled, at)
          : (await read(this.#descriptor, target, filled, length - filled, at)).bytesRead
        if (count === 0) break
        filled += count
      }
    } catch (error) {
      throw folderFailure('read', this.#path, error)
    }
    return target.subarray(0, filled)
  }

  /** True if the file consists of `parts`, one after another, and nothing else. */
  async consistsOf(parts: readonly Uint8Array[]): Promise<boolean> {
    let offset = 0
    for (const part of parts) {
      for (let first = 0; first < part.length; first += compareBytesMax) {
        const expected = part.subarray(first, first + compareBytesMax)
        if (!(await this.read(offset, expected.length)).equals(expected)) return false
        offset += expected.length
      }
    }
    return offset === this.bytes
  }

  [Symbol.dispose](): void {
    closeQuietly(this.#descriptor)
  }
}

function openIfAny(path: string): number | undefined {
  // O_NONBLOCK: opening a pipe that somebody put here does not wait for a writer.
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (isAbsent(error)) return undefined
    if (errnoOf(error) === 'ENXIO') throw foreignPath(path, 'a socket or a pipe')
    throw folderFailure('open', path, error)
  }
}

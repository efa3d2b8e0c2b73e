import { fstatSync, readSync } from 'node:fs'
import type { ByteReader } from './byte-reader.ts'

const BUFFER_BYTES = 64 * 1024

/** Reads an open file at any offset; it must not shrink meanwhile. The bytes are valid until the next read. */
export function fileReader(fd: number): ByteReader {
  let buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  return {
    bytes: Number(fstatSync(fd, { bigint: true }).size),
    read: (offset, length) => {
      if (buffer.length < length) buffer = Buffer.allocUnsafeSlow(length)
      let filled = 0
      while (filled < length) {
        const read = readSync(fd, buffer, filled, length - filled, offset + filled)
        if (read === 0) break
        filled += read
      }
      return buffer.subarray(0, filled)
    },
  }
}

/**
 * Random access to the bytes of one file that nobody changes meanwhile (a snapshot, a copy, or a buffer), so that a
 * file of many GiB never has to sit in memory.
 */
export interface ByteReader {
  /** The size of the file. */
  readonly bytes: number
  /**
   * The bytes from `offset` on: `length` of them, fewer only where the file ends. They stay valid until the next
   * `read` of the same reader, which may re-use the buffer; the caller changes nothing in them, and copies what it
   * keeps with `new Uint8Array` (`slice` of a Buffer copies nothing). I/O errors throw.
   */
  read(offset: number, length: number): Uint8Array
}

/** A reader over bytes in memory. */
export function byteReader(bytes: Uint8Array): ByteReader {
  return {
    bytes: bytes.byteLength,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  }
}

/** A view for reading integers out of `bytes` without a copy. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

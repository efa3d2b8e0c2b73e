import { Failure } from '@holdfast/base/failure'
import type { ByteString } from '../format/byte-string.ts'
import { ByteWriter } from '../format/byte-writer.ts'

/**
 * The bytes between this process and the native companion (`native/main.c` is the other side):
 *
 *     request   u32 length of what follows · u32 id · u8 operation · payload
 *     reply     u32 length of what follows · u32 id · u8 status (0 done, 1 errno) · payload
 *
 * Little-endian. A string is u32 length, one byte a char, one zero byte; bytes are u32 length and the bytes.
 */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024
const FRAME_HEADER_BYTES = 9
const LENGTH_BYTES = 4
const ONE_ZERO = Buffer.alloc(1)

/** An absolute path as the kernel knows it: a string in which each char is one byte (Latin-1), not decoded text. */
export type BytePath = ByteString

export interface Reply {
  readonly id: number
  readonly done: boolean
  readonly payload: Buffer
}

/** One whole request frame. Rejects with `invalid-argument` a payload that exceeds a frame. */
export function encodeRequest(id: number, operation: number, payload: Buffer): Buffer {
  const length = payload.length + FRAME_HEADER_BYTES - LENGTH_BYTES
  if (length > FRAME_BYTES_MAX)
    throw new Failure('invalid-argument', 'a request to the native companion is too large: split the batch', {
      bytes: length,
      bytesMax: FRAME_BYTES_MAX,
    })
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  header.writeUInt32LE(length, 0)
  header.writeUInt32LE(id, LENGTH_BYTES)
  header.writeUInt8(operation, 8)
  return Buffer.concat([header, payload])
}

/** Builds one request payload. */
export class PayloadWriter {
  readonly #writer = new ByteWriter(256)

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0)
  }

  u8(value: number): this {
    this.#writer.u8(value)
    return this
  }

  /** Rejects with `invalid-argument` what is not an integer from 0 to 2^32 - 1. */
  u32(value: number): this {
    if (value >>> 0 !== value)
      throw new Failure('invalid-argument', 'a number is not a 32-bit count, id or mode', { value })
    this.#writer.u32(value)
    return this
  }

  /** Also carries a u64: its two's complement is the same bytes. */
  i64(value: bigint): this {
    this.#writer.i64(BigInt.asIntN(64, value))
    return this
  }

  /** A name, or nothing. Rejects with `invalid-argument` a zero byte or a char above 0xff. */
  string(text: ByteString): this {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the zero byte ends a string in the kernel
    if (/[^\x01-\xff]/.test(text))
      throw new Failure('invalid-argument', 'a name holds a zero byte, or text that is not bytes', {
        name: text,
      })
    this.#writer.u32(text.length).latin1(text).bytes(ONE_ZERO)
    return this
  }

  /** Like string, for a path that must start at the root: the companion has a working directory of its own. */
  path(path: BytePath): this {
    if (!path.startsWith('/'))
      throw new Failure('invalid-argument', 'the native companion takes absolute paths only', { path })
    return this.string(path)
  }

  /** A path, or the empty string for none. */
  optionalPath(path: BytePath | undefined): this {
    return path === undefined ? this.string('') : this.path(path)
  }

  strings(texts: readonly ByteString[]): this {
    this.u32(texts.length)
    for (const text of texts) this.string(text)
    return this
  }

  /** One byte a char. */
  bytes(value: ByteString): this {
    this.#writer.u32(value.length).latin1(value)
    return this
  }

  finish(): Buffer {
    return this.#writer.finish()
  }
}

/** Cuts the companion's output into replies, however its bytes arrive. Bad bytes reject with `helper-failed`. */
export class ReplySplitter {
  #held: Buffer[] = []
  #heldBytes = 0
  #wantedBytes = LENGTH_BYTES

  push(chunk: Buffer): Reply[] {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes < this.#wantedBytes) return []
    const bytes = this.#held.length === 1 ? chunk : Buffer.concat(this.#held)
    const replies: Reply[] = []
    let start = 0
    for (;;) {
      const left = bytes.length - start
      this.#wantedBytes = left < LENGTH_BYTES ? LENGTH_BYTES : frameBytes(bytes, start)
      if (left < this.#wantedBytes) break
      replies.push(decodeReply(bytes.subarray(start, start + this.#wantedBytes)))
      start += this.#wantedBytes
    }
    this.#held = [bytes.subarray(start)]
    this.#heldBytes = bytes.length - start
    return replies
  }
}

function frameBytes(bytes: Buffer, start: number): number {
  const length = bytes.readUInt32LE(start)
  if (length < FRAME_HEADER_BYTES - LENGTH_BYTES || length > FRAME_BYTES_MAX)
    throw new Failure('helper-failed', 'the native companion sent a frame of an impossible length', {
      length,
    })
  return LENGTH_BYTES + length
}

function decodeReply(frame: Buffer): Reply {
  const status = frame.readUInt8(8)
  if (status > 1)
    throw new Failure('helper-failed', 'the native companion sent an unknown status', { status })
  return {
    id: frame.readUInt32LE(LENGTH_BYTES),
    done: status === 0,
    payload: frame.subarray(FRAME_HEADER_BYTES),
  }
}

/** Reads one reply payload. Bytes that end early or make no sense reject with `helper-failed`. */
export class PayloadReader {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1))
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4))
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#advance(8))
  }

  /** A u64 as a number: sizes, offsets and durations. Rejects values above 2^53. */
  integer(): number {
    const value = Number(this.u64())
    return Number.isSafeInteger(value) ? value : this.#fail('a number exceeds 2^53')
  }

  /** A count of items of at least `itemBytesMin` bytes each, refused when they cannot all be there. */
  count(itemBytesMin: number): number {
    const count = this.u32()
    return count * itemBytesMin <= this.#bytes.length - this.#position
      ? count
      : this.#fail('a count exceeds the bytes that follow')
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    const length = this.u32()
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** One byte a char. */
  string(): ByteString {
    return this.bytes().toString('latin1')
  }

  /** All that is left. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#advance(this.#bytes.length - this.#position))
  }

  end(): void {
    if (this.#position !== this.#bytes.length) this.#fail('bytes are left over')
  }

  #advance(bytes: number): number {
    const start = this.#position
    if (bytes > this.#bytes.length - start) this.#fail('it ends early')
    this.#position = start + bytes
    return start
  }

  #fail(problem: string): never {
    throw new Failure('helper-failed', `a reply of the native companion makes no sense: ${problem}`, {
      at: this.#position,
    })
  }
}

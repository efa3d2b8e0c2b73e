import { Failure } from '@holdfast/base/failure'
import { ATTRIBUTE, attributeMax, STREAM_VERSION_MAX } from './send-format.ts'

const TYPE_BYTES = 2
const LENGTH_BYTES = 2
const U64_BYTES = 8
const ABSENT = -1

/** An empty, `.` or `..` component, a leading or trailing slash, or a NUL. */
const NOT_A_PATH = /(?:^|\/)\.{0,2}(?:\/|$)|\0/

/** A failure that names the byte of the stream at which its meaning ends. */
export function streamCorrupt(problem: string, atByte: number): Failure {
  return new Failure('stream-corrupt', `the btrfs send stream is damaged: ${problem}`, { atByte })
}

/**
 * The attributes of one command: `u16 type, u16 length, value`, little-endian, one after another. From stream
 * version 2 on, the file's bytes come last and without a length: they reach to the end of the command.
 * One instance serves all commands of a stream, so that a command costs no allocation beyond its values.
 */
export class SendAttributes {
  readonly #bytes: Buffer
  readonly #version: number
  readonly #typeMax: number
  readonly #starts: Int32Array
  readonly #ends: Int32Array
  #commandStart = 0

  constructor(bytes: Buffer, version: number) {
    this.#bytes = bytes
    this.#version = version
    this.#typeMax = attributeMax(version)
    this.#starts = new Int32Array(attributeMax(STREAM_VERSION_MAX) + 1)
    this.#ends = new Int32Array(this.#starts.length)
  }

  /**
   * Takes the attributes at `[start, end)`. False if one of them is not of this stream version. Throws
   * `stream-corrupt` if they do not fill the range exactly, or if one comes twice.
   */
  load(start: number, end: number): boolean {
    this.#starts.fill(ABSENT)
    this.#commandStart = start
    let at = start
    while (at < end) {
      if (end - at < TYPE_BYTES) throw streamCorrupt('an attribute has no type', at)
      const type = this.#bytes.readUInt16LE(at)
      if (type < 1 || type > this.#typeMax) return false
      if (this.#starts[type] !== ABSENT) throw streamCorrupt('an attribute comes twice', at)
      at = this.#place(type, at + TYPE_BYTES, end)
    }
    return true
  }

  #place(type: number, at: number, end: number): number {
    let valueStart = at
    let valueEnd = end
    if (type !== ATTRIBUTE.bytes || this.#version < 2) {
      if (end - at < LENGTH_BYTES) throw streamCorrupt('an attribute has no length', at)
      valueStart = at + LENGTH_BYTES
      valueEnd = valueStart + this.#bytes.readUInt16LE(at)
      if (valueEnd > end) throw streamCorrupt('an attribute is longer than its command', at)
    }
    this.#starts[type] = valueStart
    this.#ends[type] = valueEnd
    return valueEnd
  }

  /** A relative path, one character a byte; '' is the root. Throws `stream-corrupt` if it is absent or not one. */
  path(type: number): string {
    const start = this.#start(type)
    const path = this.#bytes.toString('latin1', start, this.#ends[type])
    if (path !== '' && NOT_A_PATH.test(path)) throw streamCorrupt('a path leaves its root', start)
    return path
  }

  /** An unsigned number; one beyond 2^53 comes out inexact, and above Number.MAX_SAFE_INTEGER. */
  u64(type: number): number {
    const start = this.#start(type)
    if (this.lengthBytes(type) !== U64_BYTES) throw streamCorrupt('a number does not have 8 bytes', start)
    return this.#bytes.readUInt32LE(start) + this.#bytes.readUInt32LE(start + 4) * 2 ** 32
  }

  u32(type: number): number {
    const start = this.#start(type)
    if (this.lengthBytes(type) !== 4) throw streamCorrupt('a number does not have 4 bytes', start)
    return this.#bytes.readUInt32LE(start)
  }

  lengthBytes(type: number): number {
    return (this.#ends[type] ?? 0) - this.#start(type)
  }

  #start(type: number): number {
    const start = this.#starts[type] ?? ABSENT
    if (start === ABSENT) throw streamCorrupt(`attribute ${type} is missing`, this.#commandStart)
    return start
  }
}

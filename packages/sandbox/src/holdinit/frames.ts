import { Failure } from '@holdfast/base/failure'

export const PROTOCOL_VERSION = 1
export const HEADER_BYTES = 12
export const PAYLOAD_BYTES_MAX = 65_536
/** Of each half of the nonce: the first proves the host, the second holdinit. */
export const WORD_BYTES = 32

/** By docs/formats/holdinit.md. */
export const FRAME = {
  hello: 1,
  exec: 2,
  input: 3,
  credit: 4,
  resize: 5,
  signal: 6,
  kill: 7,
  release: 8,
  attach: 9,
  list: 10,
  connect: 11,
  extend: 12,
  answer: 13,
  welcome: 64,
  started: 65,
  failed: 66,
  output: 67,
  outputEnd: 68,
  inputCredit: 69,
  inputClosed: 70,
  ended: 71,
  listed: 72,
  extended: 73,
  call: 74,
} as const

/** Of an `exec` that goes on in the next frame. */
export const FLAG_MORE = 1
/** Of the last `input`. */
export const FLAG_END = 1

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

const NOTHING = Buffer.alloc(0)

export function frameHeader(frame: Omit<Frame, 'payload'>, payloadBytes: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header[0] = frame.type
  header[1] = frame.flags
  header.writeUInt16LE(0, 2)
  header.writeUInt32LE(frame.id, 4)
  header.writeUInt32LE(payloadBytes, 8)
  return header
}

/**
 * Cuts a stream of bytes into frames. An `output` frame is passed on in the pieces in which it arrives, uncopied; all
 * others whole.
 */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void
  /** The beginning of a frame whose rest has not come. */
  #pending: Buffer = NOTHING
  /** The `output` frame that is on its way, and how much of it is to come. */
  #output: Frame | null = null
  #leftBytes = 0

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame
  }

  /** Throws `sandbox-failed` on bytes that are no frame. */
  push(chunk: Buffer): void {
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#pending = NOTHING
    while (rest.length > 0) {
      const taken = this.#output === null ? this.#takeFrame(rest) : this.#takeOutput(this.#output, rest)
      if (taken === 0) break
      rest = rest.subarray(taken)
    }
    this.#pending = rest
  }

  #takeOutput(frame: Frame, rest: Buffer): number {
    const payload = rest.subarray(0, this.#leftBytes)
    this.#leftBytes -= payload.length
    if (this.#leftBytes === 0) this.#output = null
    this.#onFrame({ ...frame, payload })
    return payload.length
  }

  #takeFrame(rest: Buffer): number {
    if (rest.length < HEADER_BYTES) return 0
    const payloadBytes = rest.readUInt32LE(8)
    if (payloadBytes > PAYLOAD_BYTES_MAX) throw malformed('a frame that is too long')
    const frame = { type: rest.readUInt8(0), flags: rest.readUInt8(1), id: rest.readUInt32LE(4) }
    if (frame.type === FRAME.output && payloadBytes > 0) {
      this.#output = { ...frame, payload: NOTHING }
      this.#leftBytes = payloadBytes
      return HEADER_BYTES
    }
    const endBytes = HEADER_BYTES + payloadBytes
    if (rest.length < endBytes) return 0
    this.#onFrame({ ...frame, payload: rest.subarray(HEADER_BYTES, endBytes) })
    return endBytes
  }
}

export function malformed(what: string): Failure {
  return new Failure('sandbox-failed', `the first process of the sandbox sent ${what}`)
}

/** Reads the numbers of a payload in their order; throws `sandbox-failed` where it is too short. */
export class PayloadReader {
  readonly #payload: Buffer
  #at = 0

  constructor(payload: Buffer) {
    this.#payload = payload
  }

  get isAtEnd(): boolean {
    return this.#at === this.#payload.length
  }

  u8(): number {
    return this.bytes(1).readUInt8(0)
  }

  u32(): number {
    return this.bytes(4).readUInt32LE(0)
  }

  u64(): number {
    return Number(this.bytes(8).readBigUInt64LE(0))
  }

  bytes(count: number): Buffer {
    const end = this.#at + count
    if (end > this.#payload.length) throw malformed('a frame that is too short')
    const bytes = this.#payload.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  /** Text up to a zero byte. */
  text(): string {
    const end = this.#payload.indexOf(0, this.#at)
    if (end < 0) throw malformed('a text without its end')
    const bytes = this.bytes(end - this.#at)
    this.#at += 1
    return bytes.toString('utf8')
  }
}

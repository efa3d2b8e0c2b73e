import { Failure } from '@holdfast/base/failure'

/** Reads what ByteWriter writes. Bytes that end early or make no sense reject with `object-corrupt`, naming `what`. */
export class ByteReader {
  readonly #buffer: Buffer
  readonly #what: string
  #position: number

  constructor(bytes: Uint8Array, what: string, start = 0) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
    this.#position = start
  }

  get position(): number {
    return this.#position
  }

  get remaining(): number {
    return this.#buffer.length - this.#position
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#advance(1))
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#advance(2))
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#advance(4))
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return Number.isSafeInteger(value) ? value : this.fail('an integer is too large')
      scale *= 0x80
    }
    return this.fail('an integer is too long')
  }

  i64(): bigint {
    return this.#buffer.readBigInt64LE(this.#advance(8))
  }

  f64(): number {
    return this.#buffer.readDoubleLE(this.#advance(8))
  }

  latin1(length: number): string {
    const start = this.#advance(length)
    return this.#buffer.toString('latin1', start, start + length)
  }

  string(): string {
    return this.latin1(this.varint())
  }

  bytes(length: number): Buffer {
    const start = this.#advance(length)
    return this.#buffer.subarray(start, start + length)
  }

  /** A count of items of at least `itemBytesMin` bytes each, refused when they cannot all be there. */
  count(itemBytesMin: number): number {
    const count = this.varint()
    if (count * itemBytesMin > this.remaining) return this.fail('a count exceeds the bytes that follow')
    return count
  }

  /** Asserts that nothing follows. */
  end(): void {
    if (this.remaining !== 0) this.fail(`${this.remaining} bytes too many`)
  }

  fail(problem: string): never {
    throw new Failure('object-corrupt', `${this.#what}: ${problem}`, { at: this.#position })
  }

  #advance(bytes: number): number {
    const start = this.#position
    if (bytes > this.#buffer.length - start) this.fail('ends early')
    this.#position = start + bytes
    return start
  }
}

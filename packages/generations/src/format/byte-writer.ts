/** Builds one run of bytes: little-endian integers, LEB128 varints, length-prefixed strings. */
export class ByteWriter {
  #buffer: Buffer
  #length = 0

  constructor(bytesExpected = 1024) {
    this.#buffer = Buffer.allocUnsafe(bytesExpected)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    this.#reserve(1)
    this.#buffer[this.#length++] = value
    return this
  }

  u16(value: number): this {
    this.#reserve(2)
    this.#length = this.#buffer.writeUInt16LE(value, this.#length)
    return this
  }

  u32(value: number): this {
    this.#reserve(4)
    this.#length = this.#buffer.writeUInt32LE(value, this.#length)
    return this
  }

  /** A non-negative integer below 2^53. */
  varint(value: number): this {
    this.#reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#length++] = rest
    return this
  }

  i64(value: bigint): this {
    this.#reserve(8)
    this.#length = this.#buffer.writeBigInt64LE(value, this.#length)
    return this
  }

  f64(value: number): this {
    this.#reserve(8)
    this.#length = this.#buffer.writeDoubleLE(value, this.#length)
    return this
  }

  /** One byte a char, without a length. */
  latin1(value: string): this {
    this.#reserve(value.length)
    this.#length += this.#buffer.write(value, this.#length, 'latin1')
    return this
  }

  /** A varint length, then one byte a char. */
  string(value: string): this {
    return this.varint(value.length).latin1(value)
  }

  bytes(value: Uint8Array): this {
    this.#reserve(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
    return this
  }

  /** The bytes written so far; the writer must not be used afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

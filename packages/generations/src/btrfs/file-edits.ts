import { ByteRanges, type ByteSpan } from './byte-ranges.ts'

/**
 * What a stream writes to one file, as the bytes that may differ from the file's old content, this taken as
 * zero-extended or cut to the new size. A truncation counts as a change of everything beyond it: bytes that a
 * later extension brings back are zeros or new ones, not the old ones.
 */
export class FileEdits {
  readonly #spans: ByteSpan[] = []
  /** Every byte from here on has changed. */
  #changedFrom = Number.POSITIVE_INFINITY
  /** Known since the first truncation. */
  #sizeBytes: number | undefined

  write(start: number, end: number): void {
    if (end <= start) return
    if (this.#sizeBytes !== undefined) this.#sizeBytes = Math.max(this.#sizeBytes, end)
    if (start >= this.#changedFrom) return
    const last = this.#spans.at(-1)
    if (last !== undefined && last.start <= start && start <= last.end) {
      this.#spans[this.#spans.length - 1] = { start: last.start, end: Math.max(last.end, end) }
    } else {
      this.#spans.push({ start, end })
    }
  }

  truncate(sizeBytes: number): void {
    this.#changedFrom = Math.min(this.#changedFrom, sizeBytes)
    this.#sizeBytes = sizeBytes
  }

  /** The changed bytes; none at or beyond the new size where the stream tells that size. */
  ranges(): ByteRanges {
    const ranges = ByteRanges.of(this.#spans)
    if (this.#sizeBytes === undefined) return ranges
    return ranges.add({ start: this.#changedFrom, end: this.#sizeBytes }).truncate(this.#sizeBytes)
  }
}

/** The bytes from `start` up to, not including, `end`. */
export interface ByteSpan {
  readonly start: number
  readonly end: number
}

/** A set of byte offsets, kept as sorted spans that neither overlap nor touch. Immutable. */
export class ByteRanges {
  static readonly empty = new ByteRanges([])

  readonly #spans: readonly ByteSpan[]

  private constructor(spans: readonly ByteSpan[]) {
    this.#spans = spans
  }

  /** The union of `spans`, which may come in any order, overlap and be empty. O(n log n), O(n) when sorted. */
  static of(spans: readonly ByteSpan[]): ByteRanges {
    const merged: ByteSpan[] = []
    let open: ByteSpan | undefined
    for (const span of inOrder(spans)) {
      if (span.end <= span.start) continue
      if (open !== undefined && span.start <= open.end) {
        open = { start: open.start, end: Math.max(open.end, span.end) }
      } else {
        if (open !== undefined) merged.push(open)
        open = span
      }
    }
    if (open !== undefined) merged.push(open)
    return merged.length === 0 ? ByteRanges.empty : new ByteRanges(merged)
  }

  get isEmpty(): boolean {
    return this.#spans.length === 0
  }

  /** How many bytes the set holds. */
  get sizeBytes(): number {
    return this.#spans.reduce((sum, span) => sum + span.end - span.start, 0)
  }

  add(span: ByteSpan): ByteRanges {
    return ByteRanges.of([...this.#spans, span])
  }

  union(other: ByteRanges): ByteRanges {
    if (other.isEmpty) return this
    return this.isEmpty ? other : ByteRanges.of([...this.#spans, ...other.#spans])
  }

  /** The members below `sizeBytes`. */
  truncate(sizeBytes: number): ByteRanges {
    const last = this.#spans.at(-1)
    if (last === undefined || last.end <= sizeBytes) return this
    return ByteRanges.of(this.#spans.map(({ start, end }) => ({ start, end: Math.min(end, sizeBytes) })))
  }

  /** The sorted disjoint spans. */
  toArray(): readonly ByteSpan[] {
    return this.#spans
  }
}

function inOrder(spans: readonly ByteSpan[]): readonly ByteSpan[] {
  let previous = Number.NEGATIVE_INFINITY
  for (const span of spans) {
    if (span.start < previous) return spans.toSorted((a, b) => a.start - b.start)
    previous = span.start
  }
  return spans
}

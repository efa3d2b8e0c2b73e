import type { DeltaRef } from '../format/entry.ts'
import type { DeltaMark } from './database-memory.ts'

/** Deltas of one level before they are merged into one of the next: a page is rewritten once a level. */
const DELTAS_PER_LEVEL = 8
/** A merge touches at most so many pages; larger deltas stay until the next base. */
const MERGE_PAGES_MAX = 4096

export interface DeltaPlan {
  /** How many of the present deltas stay; those behind them become part of the new one. */
  readonly kept: number
  readonly level: number
  /** Pages of the new delta, ascending. */
  readonly pages: Uint32Array
}

/**
 * Decides what the next delta holds: the changed pages alone, or with them the pages of the newest deltas, when eight
 * of a level have come together. A merged delta carries each page's newest version, so that a restore reads
 * O(log n) deltas for n commits.
 */
export function planDelta(
  deltas: readonly DeltaRef[],
  marks: readonly DeltaMark[],
  changed: Uint32Array,
): DeltaPlan {
  let plan: DeltaPlan = { kept: deltas.length, level: 0, pages: changed }
  for (;;) {
    const first = firstOfLevel(deltas.slice(0, plan.kept), plan.level)
    if (plan.kept - first + 1 < DELTAS_PER_LEVEL) return plan
    const pages = union([plan.pages, ...marks.slice(first, plan.kept).map((mark) => mark.pages)])
    if (pages.length > MERGE_PAGES_MAX) return plan
    plan = { kept: first, level: plan.level + 1, pages }
  }
}

/** Where the run of deltas of `level` at the end begins. */
function firstOfLevel(deltas: readonly DeltaRef[], level: number): number {
  let first = deltas.length
  while (first > 0 && deltas[first - 1]?.level === level) first--
  return first
}

function union(sets: readonly Uint32Array[]): Uint32Array {
  const pages = new Set<number>()
  for (const set of sets) for (const page of set) pages.add(page)
  return Uint32Array.from(pages).sort()
}

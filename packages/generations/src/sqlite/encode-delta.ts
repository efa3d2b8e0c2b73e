import type { DatabaseState } from './database-state.ts'
import type { DatabaseChecksum } from './page-checksum.ts'
import { encodePageDelta } from './page-delta.ts'

/** A state of a database that a delta begins with. */
export interface DeltaStart {
  readonly pageCountBefore: number
  readonly checksumBefore: string
}

export function startOf(checksum: DatabaseChecksum): DeltaStart {
  return { pageCountBefore: checksum.pageCount, checksumBefore: checksum.value }
}

/** Brings the checksum to `state`; returns the pages among the candidates, ascending, that really differ. */
export function advance(
  checksum: DatabaseChecksum,
  state: DatabaseState,
  candidates: Uint32Array,
): Uint32Array {
  if (state.pageCount < checksum.pageCount) checksum.resize(state.pageCount)
  const changed = candidates.filter((page) => checksum.replacePage(page, state.readPage(page)))
  checksum.resize(state.pageCount)
  return changed
}

/**
 * The way from `start` to `state`, whose checksum is `checksum`: `pages`, ascending, as they are now. They may be more
 * than those that differ, and what was between, in other deltas, is left out.
 */
export function encodeDelta(
  state: DatabaseState,
  checksum: DatabaseChecksum,
  { start, pages }: { readonly start: DeltaStart; readonly pages: Uint32Array },
): Uint8Array {
  return encodePageDelta({
    ...start,
    pageBytes: state.pageBytes,
    pageCountAfter: state.pageCount,
    checksumAfter: checksum.value,
    pages: [...pages].map((page) => ({
      page,
      hash: checksum.hashOf(page),
      bytes: new Uint8Array(state.readPage(page)),
    })),
  })
}

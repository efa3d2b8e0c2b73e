import type { GenerationRow } from '@holdfast/generations/index/generation-index'

export interface DrillTimes {
  readonly nowMs: number
  /** How old a proof may become. */
  readonly everyMs: number
  /** Until when a generation is left alone that was tried and not proven, by id. */
  readonly restsUntilMs: ReadonlyMap<string, number>
}

/**
 * Which of the newest generations of several workspaces to prove next: one that was never proven, the one that waits
 * longest first; else the one whose proof is oldest, once that is too old; undefined when none is due.
 */
export function chooseDrill(
  heads: readonly GenerationRow[],
  { nowMs, everyMs, restsUntilMs }: DrillTimes,
): GenerationRow | undefined {
  const free = heads.filter(({ id, retained }) => retained && (restsUntilMs.get(id) ?? 0) <= nowMs)
  const [unproven] = sorted(
    free.filter(({ verifiedAt }) => verifiedAt === null),
    'createdAt',
  )
  if (unproven) return unproven
  const old = free.filter(({ verifiedAt }) => verifiedAt !== null && nowMs - verifiedAt >= everyMs)
  return sorted(old, 'verifiedAt')[0]
}

function sorted(rows: readonly GenerationRow[], by: 'createdAt' | 'verifiedAt'): readonly GenerationRow[] {
  return rows.toSorted((a, b) => (a[by] ?? 0) - (b[by] ?? 0))
}

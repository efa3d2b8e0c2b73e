import type { GenerationCause } from '@holdfast/protocol/generation'
import type { GenerationRow } from '../index/generation-index.ts'

/** What retention looks at; rows of one workspace, in any order. */
export type RetentionRow = Pick<
  GenerationRow,
  'id' | 'sequence' | 'cause' | 'createdAt' | 'verifiedAt' | 'retained'
>

/** Generations older than `fromMs` are thinned to one for each `everyMs`. */
export interface RetentionRule {
  readonly fromMs: number
  /** Infinity: none is kept. */
  readonly everyMs: number
}

/** By growing age; the last rule whose `fromMs` a generation has passed holds for it. */
export type RetentionPolicy = readonly RetentionRule[]

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

export const RETENTION_POLICY: RetentionPolicy = [
  { fromMs: 10 * MINUTE_MS, everyMs: MINUTE_MS },
  { fromMs: HOUR_MS, everyMs: 10 * MINUTE_MS },
  { fromMs: DAY_MS, everyMs: DAY_MS },
]

/** Whether retention may drop a generation for its age. What a person or a stop made is kept. */
const IS_THINNED: Readonly<Record<GenerationCause, boolean>> = {
  periodic: true,
  sync: true,
  checkpoint: false,
  stop: false,
  restart: true,
  fork: false,
  rollback: false,
  handoff: true,
  termination: false,
  import: false,
}

/**
 * Decides which generations are no longer kept: their ids, oldest first. Never the newest one, the one that was verified
 * last, nor one of `pinned`, such as fork points. Pure.
 */
export function decideRetention(
  rows: readonly RetentionRow[],
  now: { readonly wallMs: number; readonly pinned: ReadonlySet<string> },
  policy: RetentionPolicy = RETENTION_POLICY,
): string[] {
  const oldestFirst = rows.filter((row) => row.retained).sort((a, b) => a.sequence - b.sequence)
  const head = oldestFirst.at(-1)
  const verified = lastVerified(oldestFirst)
  const slots = new Set<string>()
  const dropped: string[] = []
  for (const row of oldestFirst) {
    const rule = policy.findLast(({ fromMs }) => now.wallMs - row.createdAt >= fromMs)
    const isKept = row === head || row === verified || now.pinned.has(row.id) || !IS_THINNED[row.cause]
    if (rule === undefined || isKept) continue
    if (!Number.isFinite(rule.everyMs)) {
      dropped.push(row.id)
      continue
    }
    const slot = `${rule.everyMs}:${Math.floor(row.createdAt / rule.everyMs)}`
    if (slots.has(slot)) dropped.push(row.id)
    slots.add(slot)
  }
  return dropped
}

function lastVerified(oldestFirst: readonly RetentionRow[]): RetentionRow | undefined {
  return oldestFirst.findLast((row) => row.verifiedAt !== null)
}

import { Failure } from '@holdfast/base/failure'
import type { GenerationRecord } from '../format/generation-record.ts'

/** A generation record, with the pack in which it was found. */
export interface FoundRecord extends GenerationRecord {
  readonly id: string
  readonly recordPack: string
}

/** One place in a rebuilt history: a generation, or the mark of one whose record is gone. */
export type LineagePlace =
  | { readonly kind: 'found'; readonly record: FoundRecord }
  | { readonly kind: 'lost'; readonly id: string; readonly sequence: number }

export interface Lineage {
  readonly workspace: string
  /** The generation that it was forked from; null for one that began empty. */
  readonly forkedFrom: string | null
  /** Oldest first, without a gap in the sequence; the last one is the head. */
  readonly places: readonly LineagePlace[]
  /** Records that are not in the head's line: commits that lost a race, or never came about. */
  readonly besides: readonly string[]
}

/** Sequences that a lost stretch may span: bounds what a hostile record makes of it. */
const LOST_MAX = 1_000_000

/**
 * Orders the records of one workspace into its history. The head is the one of the highest epoch, then the highest
 * sequence, that `isIntact`; its line goes back from parent to parent. Where a record is missing its line goes on with
 * the newest older record of the workspace, and the places between are marked as lost. Undefined when no record is
 * intact; `history-corrupt` for one of an impossible sequence. Pure.
 */
export function orderRecords(
  workspace: string,
  records: readonly FoundRecord[],
  ask: {
    readonly isIntact: (record: FoundRecord) => boolean
    /** Whether an id is a record of another workspace. */
    readonly isElsewhere: (id: string) => boolean
    /** An id for a lost generation that no record names. */
    readonly lostId: (sequence: number) => string
  },
): Lineage | undefined {
  const byId = new Map(records.map((record) => [record.id, record]))
  const newestFirst = [...records].sort((a, b) => b.epoch - a.epoch || b.sequence - a.sequence)
  const head = newestFirst.find(ask.isIntact)
  if (head === undefined) return undefined
  const newestToOldest: LineagePlace[] = []
  const line = new Set<string>()
  let forkedFrom: string | null = null
  for (let at: FoundRecord | undefined = head; at !== undefined; ) {
    newestToOldest.push({ kind: 'found', record: at })
    line.add(at.id)
    const { parent }: FoundRecord = at
    if (parent === null) break
    const known: FoundRecord | undefined = byId.get(parent)
    if (known === undefined && ask.isElsewhere(parent)) {
      forkedFrom = parent
      break
    }
    const before: FoundRecord | undefined = known ?? olderThan(at, newestFirst)
    newestToOldest.push(...lostBetween(at, { parent, before }, ask.lostId))
    at = before
  }
  const besides = records.filter(({ id }) => !line.has(id)).map(({ id }) => id)
  return { workspace, forkedFrom, places: newestToOldest.reverse(), besides }
}

function olderThan(record: FoundRecord, newestFirst: readonly FoundRecord[]): FoundRecord | undefined {
  return newestFirst.find(({ sequence, epoch }) => sequence < record.sequence && epoch <= record.epoch)
}

/** The places between a record and the next older one that is there, newest first. */
function lostBetween(
  record: FoundRecord,
  { parent, before }: { readonly parent: string; readonly before: FoundRecord | undefined },
  lostId: (sequence: number) => string,
): LineagePlace[] {
  const lost: LineagePlace[] = []
  const from = before?.sequence ?? 0
  if (record.sequence - from > LOST_MAX)
    throw new Failure('history-corrupt', `${record.id} has an impossible sequence`, { id: record.id })
  for (let sequence = record.sequence - 1; sequence > from; sequence--) {
    const id = sequence === record.sequence - 1 ? parent : lostId(sequence)
    lost.push({ kind: 'lost', id, sequence })
  }
  return lost
}

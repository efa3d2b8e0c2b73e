import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { formatBytes, formatCount, formatInstant, isoInstant, shortId } from '../../output/quantities.ts'
import type { Column } from '../../output/table.ts'

type Listed = Omit<GenerationRow, 'workspace' | 'epoch' | 'verifiedAt' | 'retained'> &
  Partial<Pick<GenerationRow, 'verifiedAt' | 'retained'>>

export const GENERATION_COLUMNS: readonly Column<GenerationRow>[] = [
  { title: '#', align: 'right', cell: (row) => String(row.sequence) },
  { title: 'ID', cell: (row) => shortId(row.id) },
  { title: 'WHEN', cell: (row) => (row.createdAt === 0 ? '-' : formatInstant(row.createdAt)) },
  { title: 'CAUSE', cell: (row) => row.cause },
  { title: 'FILES', align: 'right', cell: (row) => formatCount(row.files) },
  { title: 'SIZE', align: 'right', cell: (row) => formatBytes(row.bytes) },
  { title: 'CONSISTENCY', drops: true, cell: (row) => row.consistency },
  { title: 'VERIFIED', drops: true, cell: verifiedText },
  { title: 'MESSAGE', shrinks: true, cell: (row) => row.message },
]

/** When a restore was last proven equal; what is no longer restorable says so. */
export function verifiedText({
  retained,
  verifiedAt,
}: Pick<GenerationRow, 'retained' | 'verifiedAt'>): string {
  if (!retained) return 'dropped'
  return verifiedAt === null ? '-' : formatInstant(verifiedAt)
}

/** A generation for a program. */
export function generationJson(row: Listed): Record<string, unknown> {
  return {
    id: row.id,
    sequence: row.sequence,
    parent: row.parent,
    createdAt: isoInstant(row.createdAt),
    cause: row.cause,
    message: row.message,
    files: row.files,
    bytes: row.bytes,
    consistency: row.consistency,
    root: row.root,
    ...(row.verifiedAt === undefined
      ? {}
      : { verifiedAt: row.verifiedAt === null ? null : isoInstant(row.verifiedAt) }),
    ...(row.retained === undefined ? {} : { retained: row.retained }),
  }
}

/** `generation 12 (3f2a…)`. */
export function generationName(row: Pick<GenerationRow, 'sequence' | 'id'>): string {
  return `generation ${row.sequence} (${shortId(row.id)})`
}

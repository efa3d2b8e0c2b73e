import { z } from 'zod'
import { GenerationId, OrgId, WorkspaceId } from './identifiers.ts'
import type { RpcTable } from './rpc-table.ts'

const OfWorkspace = z.strictObject({ workspace: WorkspaceId, org: OrgId })
const OfGeneration = z.strictObject({ ...OfWorkspace.shape, generation: GenerationId })
/** Relative to the workspace; `.` is the workspace. A byte of a name that is not UTF-8 is written `\xNN`. */
const InnerPath = z.string().min(1).max(4096)

const EntryKind = z.enum(['file', 'directory', 'symlink', 'database'])

export const GenerationEntry = z.strictObject({
  name: z.string(),
  kind: EntryKind,
  /** 0 for a directory. */
  bytes: z.int(),
  mode: z.int(),
  modifiedAt: z.number(),
  /** Of a symlink. */
  target: z.string().nullable(),
})
export type GenerationEntry = z.infer<typeof GenerationEntry>

export const EntryChange = z.strictObject({
  path: z.string(),
  change: z.enum(['added', 'removed', 'changed']),
  kind: EntryKind,
  /** After the change; of what was removed: before it. */
  bytes: z.int(),
  /** What of a changed entry differs. */
  aspects: z.array(z.enum(['kind', 'content', 'mode', 'owner', 'xattrs', 'mtime'])),
})
export type EntryChange = z.infer<typeof EntryChange>

export const DatabaseChange = z.strictObject({
  path: z.string(),
  /** The tables whose number of rows differs; null: the table is not there. */
  tables: z.array(
    z.strictObject({ name: z.string(), rowsBefore: z.int().nullable(), rowsAfter: z.int().nullable() }),
  ),
  /** Why the rows are not counted; null: they are. */
  notCounted: z.string().nullable(),
})
export type DatabaseChange = z.infer<typeof DatabaseChange>

/** Integers beyond ±2^53 and infinities are strings; a blob is `x'0A…'`, as SQL writes it. */
export const SqliteCell = z.union([z.string(), z.number(), z.null()])
export type SqliteCell = z.infer<typeof SqliteCell>

/** What any host answers about generations of any workspace, whether it runs or not: all comes from the store. */
export const BROWSE_CALLS = {
  /** Sorted by the bytes of the names. Links are told, never followed. Rejects with `not-found`. */
  listGenerationFiles: {
    request: z.strictObject({
      ...OfGeneration.shape,
      path: InnerPath,
      limit: z.int().min(1).max(10_000),
      /** Continues behind this name. */
      after: z.string().max(4096).optional(),
    }),
    response: z.strictObject({
      /** What the path names. */
      entry: GenerationEntry,
      /** Of a directory. */
      entries: z.array(GenerationEntry),
      next: z.string().nullable(),
    }),
  },
  /** Rejects with `not-found` for a generation that is not of the workspace, or not retained. */
  diffGenerations: {
    request: z.strictObject({
      ...OfWorkspace.shape,
      /** Null: the parent of `to`; nothing, where it has none. */
      from: GenerationId.nullable(),
      to: GenerationId,
      limit: z.int().min(1).max(10_000),
    }),
    response: z.strictObject({
      entries: z.array(EntryChange),
      databases: z.array(DatabaseChange),
      /** False: there are more entries than the limit. */
      isWhole: z.boolean(),
    }),
  },
  /**
   * Rows of one SELECT; without one, the tables and how many rows each has. Cut to bounds in rows, bytes and time, then
   * `isWhole` is false. Rejects with `invalid-argument` for SQL that SQLite refuses, a database that it cannot read, and
   * a query that ends in no row in time.
   */
  queryGeneration: {
    request: z.strictObject({
      ...OfGeneration.shape,
      path: InnerPath,
      sql: z.string().min(1).max(16_384).nullable(),
    }),
    response: z.strictObject({
      columns: z.array(z.string()),
      rows: z.array(z.array(SqliteCell)),
      isWhole: z.boolean(),
    }),
  },
} as const satisfies RpcTable

import { z } from 'zod'
import { CONSISTENCIES, GENERATION_CAUSES } from '../generation.ts'
import { Epoch, GenerationId, WorkspaceName } from '../identifiers.ts'
import { Instant } from './ground.ts'

export const Generation = z.strictObject({
  id: GenerationId,
  parent: GenerationId.nullable(),
  sequence: z.int(),
  epoch: z.int(),
  cause: z.enum(GENERATION_CAUSES),
  message: z.string(),
  created_at: Instant,
  files: z.int(),
  bytes: z.int(),
  consistency: z.enum(CONSISTENCIES),
  verified_at: Instant.nullable(),
  /** False: listed, but no longer restorable. */
  retained: z.boolean(),
})
export type Generation = z.infer<typeof Generation>

/** What a sync, a checkpoint or a commit answers. */
export const Durable = z.strictObject({ generation: Generation, is_new: z.boolean(), frozen_ms: z.number() })

export const SyncWorkspace = z.strictObject({
  /**
   * The epoch in which the caller has seen what is to be durable; absent: the present one. Refused with `lease_lost` once
   * something of that run was lost, so that a request that is repeated across a recovery promises nothing of what is gone.
   */
  epoch: Epoch.optional(),
})

export const CreateCheckpoint = SyncWorkspace.extend({
  message: z.string().max(4096).default(''),
  until: z.enum(['local', 'durable']).default('durable'),
})

/** Of a checkpoint `until: local`: its generation is known, and told by an event, once it is durable. */
const TakenLocally = z.strictObject({ generation: z.null(), taken_at: z.number(), frozen_ms: z.number() })

export const CheckpointTaken = z.union([Durable, TakenLocally])

const ChangedEntry = z.strictObject({
  path: z.string(),
  change: z.enum(['added', 'removed', 'changed']),
  kind: z.string(),
  bytes: z.int().nullable(),
  /** What of a changed entry differs. */
  aspects: z.array(z.string()),
})

/** SQLite row counts of both sides, for each table that differs. */
const ChangedDatabase = z.strictObject({
  path: z.string(),
  tables: z.array(
    z.strictObject({ name: z.string(), rows_before: z.int().nullable(), rows_after: z.int().nullable() }),
  ),
  /** Why the rows are not counted; null: they are. */
  not_counted: z.string().nullable(),
})

export const DiffQuery = z.strictObject({
  /** Absent: the parent. */
  from: z.string().max(64).optional(),
})
export const Diff = z.strictObject({
  entries: z.array(ChangedEntry),
  databases: z.array(ChangedDatabase),
  is_whole: z.boolean(),
})

/**
 * `path` names a directory to list, or a file whose bytes are the answer; who accepts `application/octet-stream`, or names a
 * `range`, gets bytes or a refusal.
 */
export const GenerationFilesQuery = z.strictObject({
  path: z.string().min(1).max(4096).default('.'),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
  cursor: z.string().max(4096).optional(),
})
export const GenerationEntries = z.strictObject({
  entries: z.array(
    z.strictObject({
      name: z.string(),
      kind: z.string(),
      bytes: z.int(),
      mode: z.int(),
      modified_at: z.number(),
      target: z.string().nullable(),
    }),
  ),
  next_cursor: z.string().nullable(),
})

/** Absent: every generation that is retained. */
export const ExportQuery = z.strictObject({ generation: z.string().min(1).max(64).optional() })
/** The body is the bundle. */
export const ImportQuery = z.strictObject({ name: WorkspaceName.optional() })

/** Read-only SQL on a database of a generation. */
export const SqliteQuery = z.strictObject({
  path: z.string().min(1).max(4096),
  sql: z.string().max(16_384).optional(),
})
export const SqliteAnswer = z.strictObject({
  columns: z.array(z.string()),
  rows: z.array(z.array(z.union([z.string(), z.number(), z.null()]))),
  is_whole: z.boolean(),
})

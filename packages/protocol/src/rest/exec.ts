import { z } from 'zod'
import {
  EXEC_ARGUMENTS_MAX,
  EXEC_TIMEOUT_MS_MAX,
  EXEC_WORD_BYTES_MAX,
  ExecReason,
  ExecStatus,
  TerminalSize,
} from '../exec.ts'
import { ExecId, WorkspaceId } from '../identifiers.ts'
import { Instant } from './ground.ts'

export const OutputPiece = z.strictObject({
  sequence: z.int(),
  stream: z.enum(['stdout', 'stderr', 'terminal']),
  at: Instant,
  /** Base64. */
  bytes: z.string(),
})

export const Exec = z.strictObject({
  id: ExecId,
  workspace_id: WorkspaceId,
  argv: z.array(z.string()),
  cwd: z.string(),
  user: z.enum(['user', 'root']),
  status: ExecStatus,
  reason: ExecReason.nullable(),
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  terminal: z.boolean(),
  created_by_user_id: z.string(),
  started_at: Instant,
  ended_at: Instant.nullable(),
  last_sequence: z.int(),
})
export type Exec = z.infer<typeof Exec>

/** What `POST …/execs` takes: `argv`, or `shell` for `sh -c`. */
export const CreateExec = z
  .strictObject({
    /** Chosen by the caller so that asking again runs nothing twice. */
    id: ExecId.optional(),
    argv: z.array(z.string().max(EXEC_WORD_BYTES_MAX)).min(1).max(EXEC_ARGUMENTS_MAX).optional(),
    shell: z.string().min(1).max(EXEC_WORD_BYTES_MAX).optional(),
    cwd: z.string().max(4096).optional(),
    environment: z.record(z.string().max(256), z.string().max(EXEC_WORD_BYTES_MAX)).optional(),
    user: z.enum(['user', 'root']).optional(),
    timeout_ms: z.int().min(1).max(EXEC_TIMEOUT_MS_MAX).optional(),
    stdin: z.boolean().optional(),
    terminal: TerminalSize.optional(),
    /** Resumes a stopped workspace first. */
    resume: z.boolean().default(true),
    /** With `?wait=`: brings at most so much output along. */
    output_bytes_max: z
      .int()
      .min(0)
      .max(1 << 20)
      .default(65_536),
  })
  .refine(({ argv, shell }) => (argv === undefined) !== (shell === undefined), 'either argv or shell')

/** What `POST …/execs` answers: with `?wait=`, after the end or that long. */
export const StartedExec = z.strictObject({
  exec: Exec,
  output: z.array(OutputPiece),
  is_output_whole: z.boolean(),
})

export const ExecInput = z.strictObject({
  bytes: z.string().max(90_000).default(''),
  is_end: z.boolean().default(false),
})
/**
 * Of `GET …/attach`, a WebSocket for a command with a terminal: binary frames are input and output, text frames of the
 * caller are an `AttachControl`. The server closes with 1000 at the end of the command. A browser, which cannot set
 * headers, offers the subprotocols `holdfast` and `holdfast-key.<key>`; the server answers `holdfast`.
 */
export const AttachQuery = z.strictObject({ after: z.coerce.number().int().min(0).default(0) })

export const ExecSignal = z.strictObject({ signal: z.string().regex(/^SIG[A-Z0-9]{2,8}$/) })
/** Of an output stream: what lay between is no longer kept. */
export const OutputGap = z.strictObject({ from_sequence: z.int(), to_sequence: z.int() })

/**
 * Of `GET …/output`, an SSE stream of events named `chunk` (an OutputPiece; its SSE id is the sequence), `gap` (an
 * OutputGap) and, where the command has ended, last `end` (an Exec). `Last-Event-ID` counts as `after`.
 * A stream with nothing to tell sends a comment at least every 15 s: else proxies cut it, and clients give it up.
 */
export const OutputQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  follow: z.enum(['true', 'false']).default('false'),
})

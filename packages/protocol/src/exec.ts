import { z } from 'zod'
import { ExecId } from './identifiers.ts'

export const ExecStatus = z.enum(['running', 'exited', 'killed', 'timed_out', 'lost'])
export type ExecStatus = z.infer<typeof ExecStatus>

/** Why a command is `killed` or `lost`. */
export const ExecReason = z.enum(['signal', 'stop', 'rollback', 'restart', 'handoff', 'node_lost', 'oom'])
export type ExecReason = z.infer<typeof ExecReason>

export const EXEC_ARGUMENTS_MAX = 4096
export const EXEC_WORD_BYTES_MAX = 128 * 1024
export const EXEC_TIMEOUT_MS_MAX = 24 * 3600 * 1000

export const TerminalSize = z.strictObject({
  columns: z.int().min(1).max(4096),
  rows: z.int().min(1).max(4096),
})
export type TerminalSize = z.infer<typeof TerminalSize>

/** A command to run in a workspace. */
export const ExecRequest = z.strictObject({
  argv: z.array(z.string().max(EXEC_WORD_BYTES_MAX)).min(1).max(EXEC_ARGUMENTS_MAX),
  /** Absolute, or relative to `/workspace`. */
  cwd: z.string().max(4096).default('/workspace'),
  environment: z.record(z.string().max(256), z.string().max(EXEC_WORD_BYTES_MAX)).default({}),
  /** `root` only where the sandbox allows it. */
  user: z.enum(['user', 'root']).default('user'),
  timeoutMs: z.int().min(1).max(EXEC_TIMEOUT_MS_MAX).optional(),
  /** Keeps the standard input open for `execInput`; else it is at its end from the start. */
  stdin: z.boolean().default(false),
  /** A terminal of this size in place of three pipes. */
  terminal: TerminalSize.optional(),
})
export type ExecRequest = z.infer<typeof ExecRequest>

/** What a host knows of a command; kept after its end, with the last part of its output. */
export const ExecState = z.strictObject({
  id: ExecId,
  status: ExecStatus,
  reason: ExecReason.nullable(),
  /** Of a command that exited by itself. */
  exitCode: z.int().nullable(),
  /** The signal that ended it, as `SIGKILL`. */
  signal: z.string().nullable(),
  startedAt: z.number(),
  endedAt: z.number().nullable(),
  /** The sequence number of the last output chunk. */
  lastSequence: z.int(),
})
export type ExecState = z.infer<typeof ExecState>

/** A piece of output. Sequence numbers are 1, 2, 3 … over all streams of a command, in the order of their arrival. */
export const OutputChunk = z.strictObject({
  sequence: z.int(),
  stream: z.enum(['stdout', 'stderr', 'terminal']),
  at: z.number(),
  /** Base64: output is bytes. */
  bytes: z.string(),
})
export type OutputChunk = z.infer<typeof OutputChunk>

/** Follows the chunks, one JSON document a line; `gap` where the ring has dropped what lay between, `end` at the end. */
export const OutputEvent = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('chunk'), chunk: OutputChunk }),
  z.strictObject({ kind: z.literal('gap'), fromSequence: z.int(), toSequence: z.int() }),
  z.strictObject({ kind: z.literal('end'), exec: ExecState }),
])
export type OutputEvent = z.infer<typeof OutputEvent>

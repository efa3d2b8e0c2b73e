import { z } from 'zod'
import { GenerationSummary } from './host-calls.ts'
import { ExecId, GenerationId, OrgId, Port, WorkspaceId } from './identifiers.ts'

/*
 * Bytes between control or gateway and a host, over HTTP beside `/rpc`:
 *
 *   GET  /streams/exec-output?workspace&exec&after&follow     lines of OutputEvent
 *   GET  /streams/exec-attach?workspace&exec&after            WebSocket: binary = input and output, text = AttachControl
 *   GET  /streams/file?workspace&path                         the bytes of a file; `range` as HTTP has it
 *   PUT  /streams/file?workspace&path&mode                    takes the bytes of a file
 *   GET  /streams/archive?workspace&path                      a directory as tar
 *   PUT  /streams/archive?workspace&path                      unpacks a tar inside the sandbox
 *   GET  /streams/watch?workspace&path                        lines of FileEvent
 *   GET  /streams/port?workspace&port&epoch                   Upgrade: holdfast-port, then the raw bytes of 127.0.0.1:port inside
 *
 * Of any workspace, whether it runs or not:
 *
 *   GET  /streams/generation-file?workspace&org&generation&path   the bytes of a file of a generation; `range` as HTTP has it
 *   GET  /streams/bundle?workspace&org&generation                 a generation, or all that are retained, as one verified file
 *   PUT  /streams/bundle?workspace&org                            begins the history of an empty workspace with such a file
 */

export const HOST_STREAMS = {
  execOutput: '/streams/exec-output',
  execAttach: '/streams/exec-attach',
  file: '/streams/file',
  archive: '/streams/archive',
  watch: '/streams/watch',
  port: '/streams/port',
  generationFile: '/streams/generation-file',
  bundle: '/streams/bundle',
} as const

export const PORT_PROTOCOL = 'holdfast-port'

const Sequence = z.coerce.number().int().min(0)

export const ExecOutputQuery = z.strictObject({
  workspace: WorkspaceId,
  exec: ExecId,
  after: Sequence.default(0),
  follow: z.enum(['true', 'false']).default('false'),
})
export const ExecAttachQuery = z.strictObject({
  workspace: WorkspaceId,
  exec: ExecId,
  after: Sequence.default(0),
})
export const PathQuery = z.strictObject({ workspace: WorkspaceId, path: z.string().min(1).max(4096) })
/** What a file that is put gets. */
export const PutFileQuery = z.strictObject({
  ...PathQuery.shape,
  /** Octal. */
  mode: z
    .string()
    .regex(/^[0-7]{3,4}$/)
    .default('644'),
})
export const PortQuery = z.strictObject({
  workspace: WorkspaceId,
  port: z.coerce.number().pipe(Port),
  /** The epoch under which the caller believes the workspace runs; another one is `lease-lost`. */
  epoch: z.coerce.number().int().optional(),
})
export const GenerationFileQuery = z.strictObject({
  workspace: WorkspaceId,
  org: OrgId,
  generation: GenerationId,
  /** As in `browse-calls.ts`. */
  path: z.string().min(1).max(4096),
})
export const BundleExportQuery = z.strictObject({
  workspace: WorkspaceId,
  org: OrgId,
  /** Absent: every generation that is retained. */
  generation: GenerationId.optional(),
})
export const BundleImportQuery = z.strictObject({ workspace: WorkspaceId, org: OrgId })
/** The answer to an import. */
export const BundleImported = z.strictObject({ head: GenerationSummary, generations: z.int() })
export type BundleImported = z.infer<typeof BundleImported>

/** Text frames on an attached terminal. */
export const AttachControl = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('resize'),
    columns: z.int().min(1).max(4096),
    rows: z.int().min(1).max(4096),
  }),
  z.strictObject({ kind: z.literal('signal'), signal: z.string() }),
  z.strictObject({ kind: z.literal('end-of-input') }),
])
export type AttachControl = z.infer<typeof AttachControl>

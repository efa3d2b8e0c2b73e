import { z } from 'zod'
import { FileKind } from '../files.ts'

export const File = z.strictObject({
  path: z.string(),
  kind: FileKind,
  bytes: z.int(),
  mode: z.int(),
  modified_at: z.number(),
  target: z.string().nullable(),
})

/** `GET …/files?path=` with one of `list`, `stat`, `find`, `grep` (their value: empty, or the pattern). */
export const FilesQuery = z.strictObject({
  path: z.string().max(4096).default('.'),
  list: z.string().optional(),
  stat: z.string().optional(),
  find: z.string().max(1024).optional(),
  grep: z.string().max(1024).optional(),
  regex: z.enum(['true', 'false']).default('false'),
  depth: z.coerce.number().int().min(1).max(32).default(1),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
  cursor: z.string().max(4096).optional(),
})
export const FileList = z.strictObject({ items: z.array(File), next_cursor: z.string().nullable() })
export const FoundPaths = z.strictObject({ items: z.array(z.string()), is_whole: z.boolean() })
export const FoundLines = z.strictObject({
  items: z.array(z.strictObject({ path: z.string(), line: z.int(), text: z.string() })),
  is_whole: z.boolean(),
})
/**
 * Of `GET …/files/watch`: an SSE stream of events named `file`, each a FileEvent. Only a request that accepts
 * text/event-stream is one: any other reads the file `watch`.
 */
export const WatchQuery = z.strictObject({ path: z.string().min(1).max(4096).default('.') })
/** Of `PUT …/files/{path}`, whose body is the bytes of the file; parents are made. Answers the File. */
export const WriteFileQuery = z.strictObject({ mode: z.coerce.number().int().min(0).max(0o777).optional() })
/** Of `DELETE …/files/{path}`. */
export const RemoveFileQuery = z.strictObject({ recursive: z.enum(['true', 'false']).default('false') })
/**
 * Of `POST …/files/archive`: a body of type application/x-tar is unpacked below `path` and answered with 204; without a
 * body, the answer is the directory as a tar.
 */
export const ArchiveQuery = z.strictObject({ path: z.string().min(1).max(4096).default('.') })
export const MoveFile = z.strictObject({ from: z.string().min(1).max(4096), to: z.string().min(1).max(4096) })
export const MakeDirectory = z.strictObject({
  path: z.string().min(1).max(4096),
  mode: z.int().min(0).max(0o777).default(0o755),
})

import { z } from 'zod'
import { WorkspaceId } from './identifiers.ts'
import type { RpcTable } from './rpc-table.ts'

export const FileKind = z.enum(['file', 'directory', 'symlink', 'other'])

export const FileStat = z.strictObject({
  /** Relative to `/workspace`, without a leading slash; the workspace itself is `.`. */
  path: z.string(),
  kind: FileKind,
  bytes: z.int(),
  mode: z.int(),
  modifiedAt: z.number(),
  /** Of a symlink. */
  target: z.string().nullable(),
})
export type FileStat = z.infer<typeof FileStat>

export const FileEvent = z.strictObject({
  kind: z.enum(['created', 'changed', 'removed', 'overflow']),
  path: z.string(),
})
export type FileEvent = z.infer<typeof FileEvent>

/** Below `/workspace`; absolute paths must lie in it. Links are followed only as the guest's own kernel would. */
const Path = z.string().min(1).max(4096)
const OfPath = z.strictObject({ workspace: WorkspaceId, path: Path })

/** Small answers about files of a running workspace; bytes go over `host-streams.ts`. All act as the guest's own user. */
export const FILE_CALLS = {
  statFile: { request: OfPath, response: FileStat },
  /** Sorted by name. `depth` 1: the directory's own names. */
  listFiles: {
    request: z.strictObject({
      ...OfPath.shape,
      depth: z.int().min(1).max(32),
      limit: z.int().min(1).max(10_000),
      after: z.string().max(4096).optional(),
    }),
    response: z.strictObject({ files: z.array(FileStat), next: z.string().nullable() }),
  },
  /** Names that match a glob. */
  findFiles: {
    request: z.strictObject({
      ...OfPath.shape,
      pattern: z.string().max(1024),
      limit: z.int().min(1).max(10_000),
    }),
    response: z.strictObject({ paths: z.array(z.string()), isWhole: z.boolean() }),
  },
  /** Lines that hold a fixed string, or match a regular expression that runs without backtracking. */
  grepFiles: {
    request: z.strictObject({
      ...OfPath.shape,
      pattern: z.string().min(1).max(1024),
      isRegex: z.boolean(),
      limit: z.int().min(1).max(10_000),
    }),
    response: z.strictObject({
      matches: z.array(z.strictObject({ path: z.string(), line: z.int(), text: z.string() })),
      isWhole: z.boolean(),
    }),
  },
  makeDirectory: {
    request: z.strictObject({ ...OfPath.shape, mode: z.int().min(0).max(0o777) }),
    response: FileStat,
  },
  moveFile: { request: z.strictObject({ workspace: WorkspaceId, from: Path, to: Path }), response: FileStat },
  removeFile: {
    request: z.strictObject({ ...OfPath.shape, recursive: z.boolean() }),
    response: z.strictObject({}),
  },
} as const satisfies RpcTable

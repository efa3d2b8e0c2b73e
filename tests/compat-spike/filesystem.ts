import type { FileState } from '@holdfast/client/files'
import { HoldfastError } from '@holdfast/client/holdfast-error'
import type { Workspace } from '@holdfast/client/workspace'
import { z } from 'zod'

const OfPath = z.strictObject({ path: z.string() })
const Move = z.strictObject({ source: z.string(), destination: z.string() })
const List = z.strictObject({ path: z.string(), depth: z.int().default(1) })
const TYPES = {
  file: 'FILE_TYPE_FILE',
  directory: 'FILE_TYPE_DIRECTORY',
  symlink: 'FILE_TYPE_SYMLINK',
} as const

type Answer = (files: Workspace['files'], asked: unknown) => Promise<object>

/** The unary calls of `filesystem.Filesystem`. */
export const FILESYSTEM: Readonly<Record<string, Answer>> = {
  Stat: async (files, asked) => ({ entry: entryOf(await files.stat(OfPath.parse(asked).path)) }),
  MakeDir: async (files, asked) => {
    const { path } = OfPath.parse(asked)
    const found = await files.stat(path).catch(absentOr)
    if (found) throw new HoldfastError({ code: 'already-exists', message: `${path} exists` })
    return { entry: entryOf(await files.makeDirectory(path)) }
  },
  Move: async (files, asked) => {
    const { source, destination } = Move.parse(asked)
    return { entry: entryOf(await files.move(source, destination)) }
  },
  ListDir: async (files, asked) => {
    const { path, depth } = List.parse(asked)
    const entries = []
    for await (const file of files.list(path, { depth })) entries.push(entryOf(file))
    return { entries }
  },
  Remove: async (files, asked) => {
    await files.remove(OfPath.parse(asked).path, { recursive: true })
    return {}
  },
}

function absentOr(error: unknown): undefined {
  if (error instanceof HoldfastError && error.code === 'not-found') return undefined
  throw error
}

function entryOf({ path, kind, bytes, mode, modifiedAt }: FileState) {
  return {
    name: path.split('/').at(-1) ?? '',
    type: kind in TYPES ? TYPES[kind as keyof typeof TYPES] : 'FILE_TYPE_UNSPECIFIED',
    path: `/workspace/${path}`,
    size: String(bytes),
    mode,
    owner: 'user',
    group: 'user',
    modifiedTime: new Date(modifiedAt).toISOString(),
  }
}

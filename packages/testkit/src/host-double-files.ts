import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, type Stats } from 'node:fs'
import { join, posix } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import type { FILE_CALLS, FileStat } from '@holdfast/protocol/files'
import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import type { RpcHandlers } from '@holdfast/rpc/rpc-server'
import type { HostDoubleGround } from './host-double-ground.ts'

/** Where a path of a workspace lies on this machine. */
export function placeOf(double: HostDoubleGround, workspace: WorkspaceId, path: string): string {
  const inside = posix.normalize(path.replace(/^\/workspace\/?/, ''))
  if (inside.startsWith('..') || inside.startsWith('/'))
    throw new Failure('invalid-argument', `${path} is not in the workspace`)
  return join(double.find(workspace).directory, inside)
}

export function fileHandlers(double: HostDoubleGround): RpcHandlers<typeof FILE_CALLS> {
  function stat(workspace: WorkspaceId, path: string): FileStat {
    return absent(path, () => statOf(path, lstatSync(placeOf(double, workspace, path))))
  }
  function names(workspace: WorkspaceId, path: string): string[] {
    return absent(path, () =>
      readdirSync(placeOf(double, workspace, path), { recursive: true })
        .map(String)
        .sort(),
    )
  }
  return {
    statFile: async ({ workspace, path }) => stat(workspace, path),
    listFiles: async ({ workspace, path, depth, limit }) => {
      const found = names(workspace, path).filter((name) => name.split('/').length <= depth)
      return {
        files: found.slice(0, limit).map((name) => stat(workspace, posix.join(path, name))),
        next: null,
      }
    },
    findFiles: async ({ workspace, path, pattern }) => ({
      paths: names(workspace, path).filter((name) => posix.matchesGlob(name, pattern)),
      isWhole: true,
    }),
    grepFiles: async ({ workspace, path, pattern }) => ({
      matches: names(workspace, path).flatMap((name) =>
        readFileSync(placeOf(double, workspace, posix.join(path, name)), 'utf8')
          .split('\n')
          .flatMap((text, line) => (text.includes(pattern) ? [{ path: name, line: line + 1, text }] : [])),
      ),
      isWhole: true,
    }),
    makeDirectory: async ({ workspace, path, mode }) => {
      mkdirSync(placeOf(double, workspace, path), { recursive: true, mode })
      return stat(workspace, path)
    },
    moveFile: async ({ workspace, from, to }) => {
      absent(from, () => renameSync(placeOf(double, workspace, from), placeOf(double, workspace, to)))
      return stat(workspace, to)
    },
    removeFile: async ({ workspace, path, recursive }) => {
      absent(path, () => rmSync(placeOf(double, workspace, path), { recursive }))
      return {}
    },
  }
}

function absent<T>(path: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw new Failure('not-found', `there is no ${path}`)
    throw error
  }
}

function statOf(path: string, stats: Stats): FileStat {
  const kind = stats.isDirectory() ? 'directory' : stats.isFile() ? 'file' : 'other'
  const { size: bytes, mode, mtimeMs: modifiedAt } = stats
  return { path, kind, bytes, mode: mode & 0o777, modifiedAt, target: null }
}

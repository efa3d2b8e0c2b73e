import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, matchesGlob, relative } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import {
  ArchiveQuery,
  File,
  FileList,
  FilesQuery,
  FoundLines,
  FoundPaths,
  MakeDirectory,
  MoveFile,
  RemoveFileQuery,
  WatchQuery,
  WriteFileQuery,
} from '@holdfast/protocol/rest/files'
import { z } from 'zod'
import { beginEvents, type DoubleRoute, Refusal, route } from './api-double-wire.ts'
import type { DoubleState } from './double-state.ts'
import type { DoubleWorkspace } from './double-workspace.ts'

const FILES = '/v1/workspaces/{id}/files'

type Params = Readonly<Record<string, string>>

/** Files. */
export function fileRoutes(double: DoubleState): readonly DoubleRoute[] {
  const of = ({ id = '' }: Params) => double.workspace(id)
  return [
    route(
      `GET ${FILES}`,
      { query: FilesQuery, answer: z.union([FileList, File, FoundPaths, FoundLines]) },
      async (_call, { params, query }) => lookFor(of(params), query),
    ),
    route(`GET ${FILES}/watch`, { query: WatchQuery }, async ({ response, request }, { params, query }) => {
      if (!request.headers.accept?.includes('text/event-stream'))
        return sendFile(response, of(params), 'watch')
      const send = beginEvents(response)
      const base = pathIn(of(params), query.path)
      const watcher = watch(base, { recursive: true }, (_type, name) =>
        send({ name: 'file', document: { kind: 'changed', path: String(name) } }),
      )
      response.on('close', () => watcher.close())
    }),
    route(`GET ${FILES}/{path}`, {}, async ({ response }, { params }) =>
      sendFile(response, of(params), params.path ?? ''),
    ),
    route(
      `PUT ${FILES}/{path}`,
      { query: WriteFileQuery, answer: File },
      async ({ bytes }, { params, query }) => {
        const path = pathIn(of(params), params.path ?? '')
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, bytes)
        if (query.mode !== undefined) chmodSync(path, query.mode)
        return fileOf(of(params), path)
      },
    ),
    route(
      `DELETE ${FILES}/{path}`,
      { query: RemoveFileQuery, answer: z.strictObject({}) },
      async (_call, { params, query }) => {
        rmSync(found(of(params), params.path ?? ''), { recursive: query.recursive === 'true' })
        return {}
      },
    ),
    route(`POST ${FILES}/move`, { body: MoveFile, answer: File }, async (_call, { params, body }) => {
      const to = pathIn(of(params), body.to)
      renameSync(found(of(params), body.from), to)
      return fileOf(of(params), to)
    }),
    route(`POST ${FILES}/mkdir`, { body: MakeDirectory, answer: File }, async (_call, { params, body }) => {
      const path = pathIn(of(params), body.path)
      mkdirSync(path, { recursive: true, mode: body.mode })
      return fileOf(of(params), path)
    }),
    route(`POST ${FILES}/archive`, { query: ArchiveQuery }, async (call, { params, query }) => {
      const directory = pathIn(of(params), query.path)
      if (call.request.headers['content-type'] === 'application/x-tar') {
        mkdirSync(directory, { recursive: true })
        const { status, stderr } = spawnSync('tar', ['-xC', directory], { input: call.bytes })
        if (status !== 0) throw new Refusal('foreign-format', String(stderr))
        call.response.writeHead(204).end()
      } else {
        call.response.writeHead(200, { 'content-type': 'application/x-tar' })
        spawn('tar', ['-cC', found(of(params), query.path), '.']).stdout.pipe(call.response)
      }
    }),
  ]
}

function sendFile(
  response: import('node:http').ServerResponse,
  workspace: DoubleWorkspace,
  path: string,
): void {
  const bytes = readFileSync(found(workspace, path))
  response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(bytes)
}

function lookFor(workspace: DoubleWorkspace, query: z.output<typeof FilesQuery>): unknown {
  const base = found(workspace, query.path)
  if (query.stat !== undefined) return fileOf(workspace, base)
  const below = lstatSync(base).isDirectory() ? filesBelow(base) : []
  if (query.find !== undefined) {
    const pattern = query.find
    const items = below
      .map((path) => relative(workspace.directory, path))
      .filter((path) => matchesGlob(basename(path), pattern))
    return { items: items.slice(0, query.limit), is_whole: items.length <= query.limit }
  }
  if (query.grep !== undefined) {
    const { grep } = query
    const matches = (line: string) =>
      query.regex === 'true' ? new RegExp(grep).test(line) : line.includes(grep)
    const items = below
      .filter((path) => lstatSync(path).isFile())
      .flatMap((path) =>
        readFileSync(path, 'utf8')
          .split('\n')
          .map((text, index) => ({ path: relative(workspace.directory, path), line: index + 1, text }))
          .filter(({ text }) => matches(text)),
      )
    return { items: items.slice(0, query.limit), is_whole: items.length <= query.limit }
  }
  const shown = below.filter((path) => relative(base, path).split('/').length <= query.depth).sort()
  const from = Number(query.cursor ?? 0)
  const items = shown.slice(from, from + query.limit).map((path) => fileOf(workspace, path))
  return { items, next_cursor: from + query.limit < shown.length ? String(from + query.limit) : null }
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name))
}

function pathIn({ directory }: DoubleWorkspace, path: string): string {
  return join(directory, path.replace(/^\/workspace(?=\/|$)/, ''))
}

/** A path that is there. Throws `not-found`. */
function found(workspace: DoubleWorkspace, path: string): string {
  const whole = pathIn(workspace, path)
  try {
    lstatSync(whole)
    return whole
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw new Refusal('not-found', `no file ${path}`)
    throw error
  }
}

function fileOf({ directory }: DoubleWorkspace, path: string): z.output<typeof File> {
  const stat = lstatSync(path)
  const kind = stat.isSymbolicLink() ? 'symlink' : stat.isDirectory() ? 'directory' : 'file'
  return {
    path: relative(directory, path) || '.',
    kind,
    bytes: stat.size,
    mode: stat.mode & 0o7777,
    modified_at: stat.mtimeMs,
    target: kind === 'symlink' ? readlinkSync(path) : null,
  }
}

import { createInterface } from 'node:readline'
import { FileEvent, type FileStat } from '@holdfast/protocol/files'
import { HOST_STREAMS } from '@holdfast/protocol/host-streams'
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
import type { FileReach } from '../../operations/reach-files.ts'
import { reachFiles, reachFilesToWrite } from '../../operations/reach-files.ts'
import { type Call, type Route, route, streamRoute, type Wire } from '../route.ts'
import { EventStream } from '../sse.ts'
import { sendBytes, sendJson } from './send-bytes.ts'

const TAR = 'application/x-tar'

function id({ params }: Call<unknown, unknown>): string {
  return params.id ?? ''
}

function shownFile({ path, kind, bytes, mode, modifiedAt, target }: FileStat): z.input<typeof File> {
  return { path, kind, bytes, mode, modified_at: modifiedAt, target }
}

async function answerQuery(call: Call<z.output<typeof FilesQuery>, unknown>) {
  const { query } = call
  const { record, link } = await reachFiles(call.deps, call.caller, id(call))
  const of = { workspace: record.id, path: query.path }
  const { limit, depth, cursor } = query
  if (query.stat !== undefined) return shownFile(await link.call('statFile', of))
  if (query.find !== undefined) {
    const { paths, isWhole } = await link.call('findFiles', { ...of, pattern: query.find, limit })
    return { items: paths, is_whole: isWhole }
  }
  if (query.grep !== undefined) {
    const asked = { ...of, pattern: query.grep, isRegex: query.regex === 'true', limit }
    const { matches, isWhole } = await link.call('grepFiles', asked)
    return { items: matches, is_whole: isWhole }
  }
  const after = cursor === undefined ? {} : { after: cursor }
  const { files, next } = await link.call('listFiles', { ...of, depth, limit, ...after })
  return { items: files.map(shownFile), next_cursor: next }
}

async function download(
  { record, link }: FileReach,
  wire: Wire,
  source: { path: string; stream: string },
): Promise<void> {
  const { range } = wire.incoming.headers
  const answer = await link.stream({
    method: 'GET',
    path: source.stream,
    query: { workspace: record.id, path: source.path },
    ...(range === undefined ? {} : { headers: { range } }),
  })
  await sendBytes(wire, answer, source.stream === HOST_STREAMS.archive ? TAR : 'application/octet-stream')
}

async function readFile(call: Call<unknown, undefined>, wire: Wire): Promise<void> {
  const reach = await reachFiles(call.deps, call.caller, id(call))
  await download(reach, wire, { path: call.params.path ?? 'watch', stream: HOST_STREAMS.file })
}

async function writeFile(call: Call<z.output<typeof WriteFileQuery>, undefined>, wire: Wire): Promise<void> {
  const path = call.params.path ?? ''
  const wish = { workspace: id(call), action: 'file_write', payload: { path } }
  const { record, link } = await reachFilesToWrite(call.deps, call.caller, wish)
  const { mode } = call.query
  const { body } = await link.stream({
    method: 'PUT',
    path: HOST_STREAMS.file,
    query: { workspace: record.id, path, ...(mode === undefined ? {} : { mode: mode.toString(8) }) },
    body: wire.incoming,
    signal: call.signal,
  })
  await body.dump()
  sendJson(wire, 200, File.parse(shownFile(await link.call('statFile', { workspace: record.id, path }))))
}

async function exchangeArchive(
  call: Call<z.output<typeof ArchiveQuery>, undefined>,
  wire: Wire,
): Promise<void> {
  const { path } = call.query
  if (!wire.incoming.headers['content-type']?.startsWith(TAR)) {
    await download(await reachFiles(call.deps, call.caller, id(call)), wire, {
      path,
      stream: HOST_STREAMS.archive,
    })
    return
  }
  const wish = { workspace: id(call), action: 'file_unpack', payload: { path } }
  const { record, link } = await reachFilesToWrite(call.deps, call.caller, wish)
  const { body } = await link.stream({
    method: 'PUT',
    path: HOST_STREAMS.archive,
    query: { workspace: record.id, path },
    body: wire.incoming,
    signal: call.signal,
  })
  await body.dump()
  wire.outgoing.writeHead(204).end()
}

/** A file may be named `watch` too: only who asks for events gets them. */
async function watch(call: Call<z.output<typeof WatchQuery>, undefined>, wire: Wire): Promise<void> {
  if (!wire.incoming.headers.accept?.includes('text/event-stream')) return await readFile(call, wire)
  const { record, link } = await reachFiles(call.deps, call.caller, id(call))
  const query = { workspace: record.id, path: call.query.path }
  const { body } = await link.stream({ method: 'GET', path: HOST_STREAMS.watch, query, signal: call.signal })
  body.on('error', () => undefined)
  using events = new EventStream(wire.outgoing, call.deps.clock)
  events.signal.addEventListener('abort', () => body.destroy())
  for await (const line of createInterface({ input: body })) {
    events.send({ type: 'file', document: FileEvent.parse(JSON.parse(line)) })
    await events.drained()
  }
}

export const FILE_ROUTES: readonly Route[] = [
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/files',
      scope: 'files:read',
      summary: 'Lists, stats, finds or greps files.',
      query: FilesQuery,
      answer: z.union([FileList, File, FoundPaths, FoundLines]),
    },
    answerQuery,
  ),
  streamRoute(
    {
      endpoint: 'GET /v1/workspaces/{id}/files/watch',
      scope: 'files:read',
      summary: 'Streams changes of files as server-sent events.',
      query: WatchQuery,
    },
    watch,
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/files/move',
      scope: 'files:write',
      summary: 'Moves a file or directory.',
      body: MoveFile,
      answer: File,
    },
    async (call) => {
      const { from, to } = call.body
      const wish = { workspace: id(call), action: 'file_move', payload: { from, to } }
      const { record, link } = await reachFilesToWrite(call.deps, call.caller, wish)
      return shownFile(await link.call('moveFile', { workspace: record.id, from, to }))
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/files/mkdir',
      scope: 'files:write',
      summary: 'Makes a directory.',
      body: MakeDirectory,
      answer: File,
    },
    async (call) => {
      const { path, mode } = call.body
      const wish = { workspace: id(call), action: 'file_mkdir', payload: { path } }
      const { record, link } = await reachFilesToWrite(call.deps, call.caller, wish)
      return shownFile(await link.call('makeDirectory', { workspace: record.id, path, mode }))
    },
  ),
  streamRoute(
    {
      endpoint: 'POST /v1/workspaces/{id}/files/archive',
      scope: 'files:write',
      summary: 'Unpacks a tar inside the sandbox; without a body answers a directory as a tar.',
      query: ArchiveQuery,
    },
    exchangeArchive,
  ),
  streamRoute(
    {
      endpoint: 'GET /v1/workspaces/{id}/files/{path}',
      scope: 'files:read',
      summary: 'The bytes of a file.',
    },
    readFile,
  ),
  streamRoute(
    {
      endpoint: 'PUT /v1/workspaces/{id}/files/{path}',
      scope: 'files:write',
      summary: 'Writes a file.',
      query: WriteFileQuery,
    },
    writeFile,
  ),
  route(
    {
      endpoint: 'DELETE /v1/workspaces/{id}/files/{path}',
      scope: 'files:write',
      summary: 'Removes a file, or with `recursive` a directory.',
      query: RemoveFileQuery,
    },
    async (call) => {
      const path = call.params.path ?? ''
      const recursive = call.query.recursive === 'true'
      const wish = { workspace: id(call), action: 'file_remove', payload: { path, recursive } }
      const { record, link } = await reachFilesToWrite(call.deps, call.caller, wish)
      await link.call('removeFile', { workspace: record.id, path, recursive })
    },
  ),
]

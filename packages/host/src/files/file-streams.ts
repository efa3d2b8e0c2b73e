import type { IncomingMessage, ServerResponse } from 'node:http'
import { Failure } from '@holdfast/base/failure'
import { HOST_STREAMS, PathQuery, PutFileQuery } from '@holdfast/protocol/host-streams'
import type { StreamHandler } from '@holdfast/rpc/rpc-server'
import { parseQuery } from '../agent/parse-query.ts'
import { type ByteSpan, parseRange } from './byte-span.ts'
import { guestName, guestPath } from './guest-path.ts'
import { expectTool, startTool, type ToolPlace } from './guest-tool.ts'
import { feedInput, goneSignal, sendOutput } from './stream-bytes.ts'

type PlaceOf = (workspace: string, gone: AbortSignal) => ToolPlace

/**
 * A file appears whole or not at all: it is written beside its place, under a name that goes with the script. `$1` is the
 * path, `$2` the mode.
 */
const PUT_FILE = `
dir=$(dirname -- "$1")
mkdir -p -- "$dir" || exit 1
new=$(mktemp -- "$dir/.upload-XXXXXXXX") || exit 1
trap 'rm -f -- "$new"; exit 1' TERM HUP INT
cat > "$new" && chmod -- "$2" "$new" && mv -T -- "$new" "$1" && exit 0
rm -f -- "$new"
exit 1
`
/** `$2` is the first byte, from 1; `$3` how many. */
const GET_RANGE = 'tail -c "+$2" -- "$1" | head -c "$3"'
const PUT_ARCHIVE = 'mkdir -p -- "$1" && exec tar -C "$1" --no-same-owner -xf -'

/** Bytes of files, in and out. Every byte goes through a tool that runs inside as the guest's user. */
export function fileStreams(placeOf: PlaceOf): Readonly<Record<string, StreamHandler>> {
  return {
    [HOST_STREAMS.file]: async (request, response, url) => {
      if (request.method === 'PUT') return await putFile(placeOf, request, { response, url })
      await getFile(placeOf, request, { response, url })
    },
    [HOST_STREAMS.archive]: async (request, response, url) => {
      if (request.method === 'PUT') return await putArchive(placeOf, request, { response, url })
      await getArchive(placeOf, { response, url })
    },
  }
}

interface Asked {
  readonly response: ServerResponse
  readonly url: URL
}

async function getFile(placeOf: PlaceOf, request: IncomingMessage, { response, url }: Asked): Promise<void> {
  const { workspace, path } = parseQuery(PathQuery, url)
  const place = placeOf(workspace, goneSignal(response))
  const name = guestPath(path)
  const bytes = await fileBytes(place, name, path)
  const span = parseRange(request.headers.range, bytes)
  const argv = span.isPart
    ? ['sh', '-c', GET_RANGE, 'sh', name, String(span.start + 1), String(span.length)]
    : ['cat', '--', name]
  const exec = await startTool(place, argv)
  const begin = () => response.writeHead(span.isPart ? 206 : 200, fileHeaders(span, bytes))
  await sendOutput(exec, response, { begin, path, bytesMax: span.length })
}

function fileHeaders({ start, length, isPart }: ByteSpan, bytes: number): Record<string, string | number> {
  const range = isPart ? { 'content-range': `bytes ${start}-${start + length - 1}/${bytes}` } : {}
  return {
    'content-type': 'application/octet-stream',
    'content-length': length,
    'accept-ranges': 'bytes',
    ...range,
  }
}

/** The size of a regular file, links followed as the guest's kernel does. */
async function fileBytes(place: ToolPlace, name: string, path: string): Promise<number> {
  const printed = await expectTool(place, ['stat', '-L', '-c', '%s %F', '--', name], path)
  const [, bytes, kind] = /^(\d+) (.*)$/m.exec(printed.toString('utf8')) ?? []
  if (bytes !== undefined && kind?.startsWith('regular')) return Number(bytes)
  throw new Failure('invalid-argument', `${path} is a ${kind}, not a file`, { path })
}

async function putFile(placeOf: PlaceOf, request: IncomingMessage, { response, url }: Asked): Promise<void> {
  const { workspace, path, mode } = parseQuery(PutFileQuery, url)
  const argv = ['sh', '-c', PUT_FILE, 'sh', guestName(path), mode]
  const place = placeOf(workspace, goneSignal(response))
  await feedInput({ exec: await startTool(place, argv, true), clock: place.clock }, request, path)
  response.writeHead(204).end()
}

async function getArchive(placeOf: PlaceOf, { response, url }: Asked): Promise<void> {
  const { workspace, path } = parseQuery(PathQuery, url)
  const exec = await startTool(placeOf(workspace, goneSignal(response)), [
    'tar',
    '-C',
    guestPath(path),
    '-cf',
    '-',
    '.',
  ])
  const begin = () => response.writeHead(200, { 'content-type': 'application/x-tar' })
  await sendOutput(exec, response, { begin, path })
}

async function putArchive(
  placeOf: PlaceOf,
  request: IncomingMessage,
  { response, url }: Asked,
): Promise<void> {
  const { workspace, path } = parseQuery(PathQuery, url)
  const argv = ['sh', '-c', PUT_ARCHIVE, 'sh', guestPath(path)]
  const place = placeOf(workspace, goneSignal(response))
  await feedInput({ exec: await startTool(place, argv, true), clock: place.clock }, request, path)
  response.writeHead(204).end()
}

import { Failure } from '@holdfast/base/failure'
import type { FILE_CALLS, FileStat } from '@holdfast/protocol/files'
import type { RpcHandlers } from '@holdfast/rpc/rpc-server'
import { HOST_DIRECTORY } from '@holdfast/sandbox/system/kept-system'
import { FIND_FORMAT, parseListing } from './file-listing.ts'
import { guestName, guestPath, shownPath } from './guest-path.ts'
import {
  countsBeyond,
  expectTool,
  runTool,
  type ToolPlace,
  type ToolResult,
  toolFailure,
} from './guest-tool.ts'

const LINE_CHARS_MAX = 2000
/** What leads to it is made with it; it must not be there itself. `$1` is the path, `$2` the mode. */
const MAKE_DIRECTORY = 'mkdir -p -- "$(dirname -- "$1")" && exec mkdir -m "$2" -- "$1"'

/** Answers about files, each by a tool that runs inside as the guest's user: the host itself follows no guest path. */
export function fileHandlers(
  placeOf: (workspace: string, gone: AbortSignal) => ToolPlace,
): RpcHandlers<typeof FILE_CALLS> {
  return {
    statFile: ({ workspace, path }, gone) => stat(placeOf(workspace, gone), guestPath(path)),
    listFiles: (request, gone) => list(placeOf(request.workspace, gone), request),
    findFiles: (request, gone) => find(placeOf(request.workspace, gone), request),
    grepFiles: (request, gone) => grep(placeOf(request.workspace, gone), request),
    makeDirectory: async ({ workspace, path, mode }, gone) => {
      const place = placeOf(workspace, gone)
      const name = guestName(path)
      await expectTool(place, ['sh', '-c', MAKE_DIRECTORY, 'sh', name, mode.toString(8)], path)
      return await stat(place, name)
    },
    moveFile: async ({ workspace, from, to }, gone) => {
      const place = placeOf(workspace, gone)
      const target = guestName(to)
      await expectTool(place, ['mv', '-T', '--', guestName(from), target], from)
      return await stat(place, target)
    },
    removeFile: async ({ workspace, path, recursive }, gone) => {
      await remove(placeOf(workspace, gone), guestName(path), recursive)
      return {}
    },
  }
}

async function stat(place: ToolPlace, path: string): Promise<FileStat> {
  const argv = ['find', path, '-maxdepth', '0', '-printf', FIND_FORMAT]
  const [found] = parseListing(await expectTool(place, argv, path))
  if (found) return found
  throw new Failure('not-found', `${shownPath(path)} is gone`, { path })
}

interface ListRequest {
  readonly path: string
  readonly depth: number
  readonly limit: number
  readonly after?: string | undefined
}

async function list(
  place: ToolPlace,
  { path, depth, limit, after }: ListRequest,
): Promise<{ files: FileStat[]; next: string | null }> {
  const root = guestPath(path)
  const below = ['-mindepth', '1', '-maxdepth', String(depth), '-printf', FIND_FORMAT]
  const result = await runTool(place, ['find', `${root}/`, ...below])
  if (result.exitCode !== 0 && isOfRoot(result, root)) throw toolFailure(result, path)
  if (result.isCut) throw new Failure('too-large', 'more names than one listing looks at', { path })
  const files = parseListing(result.output)
    .filter((file) => after === undefined || file.path > after)
    .sort((a, b) => (a.path < b.path ? -1 : 1))
  const page = files.slice(0, limit)
  return { files: page, next: files.length > limit ? (page.at(-1)?.path ?? null) : null }
}

/** What could not be read below is left out; what was asked for must be readable. */
function isOfRoot({ errors, output }: ToolResult, root: string): boolean {
  return output.length === 0 || errors.includes(`'${root}/':`)
}

interface FindRequest {
  readonly path: string
  readonly pattern: string
  readonly limit: number
}

async function find(
  place: ToolPlace,
  { path, pattern, limit }: FindRequest,
): Promise<{ paths: string[]; isWhole: boolean }> {
  if (pattern.includes('\0')) throw new Failure('invalid-argument', 'a pattern has no NUL byte')
  const root = guestPath(path)
  const test = pattern.includes('/')
    ? ['-path', `${root}/${pattern.replace(/^\/+/, '')}`]
    : ['-name', pattern]
  const hosts = ['-path', `${root}/${HOST_DIRECTORY}`, '-prune', '-o']
  const argv = ['find', root, '-mindepth', '1', ...hosts, ...test, '-print0']
  const result = await runTool(place, argv, countsBeyond(limit, 0))
  if (result.exitCode > 0 && result.output.length === 0) throw toolFailure(result, path)
  const paths = result.output.toString('utf8').split('\0').slice(0, -1).map(shownPath)
  return { paths: paths.slice(0, limit).sort(), isWhole: !result.isCut && paths.length <= limit }
}

interface GrepRequest extends FindRequest {
  readonly isRegex: boolean
}

/** Extended expressions of grep: matched by an automaton unless they refer back, which is refused. */
async function grep(
  place: ToolPlace,
  { path, pattern, isRegex, limit }: GrepRequest,
): Promise<{ matches: { path: string; line: number; text: string }[]; isWhole: boolean }> {
  if (/[\0\n]/.test(pattern)) throw new Failure('invalid-argument', 'a pattern is one line')
  if (isRegex && /\\[1-9]/.test(pattern))
    throw new Failure('invalid-argument', 'an expression may not refer back to a group')
  // A FIFO or device that the path itself names would be read to an end that never comes.
  const flags = ['-rIZn', '-D', 'skip', `--exclude-dir=${HOST_DIRECTORY}`]
  const argv = ['grep', ...flags, isRegex ? '-E' : '-F', '-e', pattern, '--', guestPath(path)]
  const result = await runTool(place, argv, countsBeyond(limit, 10))
  if (result.exitCode > 1 && result.output.length === 0) throw toolFailure(result, path)
  const lines = result.output.toString('utf8').split('\n').slice(0, -1)
  const matches = lines.flatMap(parseMatch)
  return { matches: matches.slice(0, limit), isWhole: !result.isCut && matches.length <= limit }
}

/** `name NUL number : text`. */
function parseMatch(line: string): { path: string; line: number; text: string }[] {
  const [, path, number, text] = /^([^\0]*)\0(\d+):(.*)$/s.exec(line) ?? []
  if (path === undefined || text === undefined) return []
  return [{ path: shownPath(path), line: Number(number), text: text.slice(0, LINE_CHARS_MAX) }]
}

/** A directory is removed only when it is empty, unless asked for with all that is in it. */
async function remove(place: ToolPlace, name: string, recursive: boolean): Promise<void> {
  const result = recursive
    ? await runTool(place, [
        'sh',
        '-c',
        'test -e "$1" || test -L "$1" || rm -- "$1"; rm -rf -- "$1"',
        'sh',
        name,
      ])
    : await runTool(place, ['rm', '-d', '--', name])
  if (result.exitCode !== 0 || /No such file/.test(result.errors)) throw toolFailure(result, name)
}

import { Failure, isFailure } from '@holdfast/base/failure'
import { type ByteString, joinPath, toText } from '../format/byte-string.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type { SourceDirectory } from '../scan/source-directory.ts'
import type { FetchedAttributes } from './directory-builder.ts'
import type { Wanted } from './tree-stager.ts'

/** Names asked for in one request. */
const NAMES_PER_REQUEST = 4096

/**
 * Asks the native helper for what Node cannot tell: extended attributes and the holes of sparse files. A name that is
 * gone fails it with `file-unstable`, or (`mayVanish`) is told as such.
 */
export async function fetchAttributes(
  holdfs: Holdfs,
  source: SourceDirectory,
  wanted: readonly Wanted[],
  mayVanish = false,
): Promise<Map<ByteString, FetchedAttributes>> {
  const fetched = new Map<ByteString, FetchedAttributes>()
  const fetching = { holdfs, source, fetched, mayVanish }
  const requests: Promise<void>[] = []
  for (const [directory, names] of byDirectory(wanted)) {
    for (let start = 0; start < names.length; start += NAMES_PER_REQUEST) {
      const part = names.slice(start, start + NAMES_PER_REQUEST)
      const request = fetchXattrs(fetching, directory, part)
      request.catch(() => {})
      if (source.isAnchored(directory)) await request
      else requests.push(request)
    }
  }
  await Promise.all(requests)
  for (const { directory, name, sparse } of wanted) {
    if (sparse) await fetchSpans(fetching, joinPath(directory, name))
  }
  return fetched
}

function byDirectory(wanted: readonly Wanted[]): Map<ByteString, ByteString[]> {
  const directories = new Map<ByteString, ByteString[]>()
  for (const { directory, name } of wanted) {
    const names = directories.get(directory)
    if (names) names.push(name)
    else directories.set(directory, [name])
  }
  return directories
}

interface Fetching {
  readonly holdfs: Holdfs
  readonly source: SourceDirectory
  readonly fetched: Map<ByteString, FetchedAttributes>
  readonly mayVanish: boolean
}

const GONE_NAME: FetchedAttributes = { xattrs: [], gone: true }

async function fetchXattrs(
  fetching: Fetching,
  directory: ByteString,
  names: readonly ByteString[],
): Promise<void> {
  const asked = fetching.holdfs.readXattrs(fetching.source.resolveBytes(directory), names)
  const found = await orGone(fetching, directory, asked)
  if (found === undefined) {
    for (const name of names) fetching.fetched.set(joinPath(directory, name), GONE_NAME)
    return
  }
  found.forEach((answer, index) => {
    const path = joinPath(directory, names[index] ?? '')
    if ('errno' in answer) {
      if (!fetching.mayVanish || !GONE.has(answer.errno)) throw attributesUnreadable(path, answer.errno)
      fetching.fetched.set(path, GONE_NAME)
    } else if (answer.xattrs.length > 0) fetching.fetched.set(path, { xattrs: answer.xattrs })
  })
}

async function fetchSpans(fetching: Fetching, path: ByteString): Promise<void> {
  const { holdfs, source, fetched } = fetching
  if (fetched.get(path)?.gone) return
  const found = await orGone(fetching, path, holdfs.dataRanges(source.resolveBytes(path)))
  if (found === undefined) {
    fetched.set(path, GONE_NAME)
    return
  }
  const spans = found.ranges.map(({ offset, length }) => ({ start: offset, end: offset + length }))
  fetched.set(path, { xattrs: fetched.get(path)?.xattrs ?? [], spans })
}

/** What a name answers that has gone, or become something else, since it was surveyed. */
const GONE: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'EINVAL'])

/** The answer; undefined where the name that it is about may be gone and is. */
async function orGone<T>(
  { mayVanish }: Fetching,
  path: ByteString,
  asked: Promise<T>,
): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (!isFailure(error) || !GONE.has(error.details.errno)) throw error
    if (mayVanish && path !== '') return undefined
    throw attributesUnreadable(path, 'ENOENT')
  }
}

function attributesUnreadable(path: ByteString, errno: string): Failure {
  const details = { path: toText(path), errno }
  const code = errno === 'ENOENT' ? 'file-unstable' : errno === 'EACCES' ? 'no-permission' : 'source-failed'
  return new Failure(code, `cannot read the attributes of ${toText(path)}: ${errno}`, details)
}

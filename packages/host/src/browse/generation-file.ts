import { createReadStream } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Failure } from '@holdfast/base/failure'
import { entryBytes, readContentParts } from '@holdfast/generations/read/entry-bytes'
import { GenerationFileQuery } from '@holdfast/protocol/host-streams'
import { type ByteRange, parseByteRange } from './byte-range.ts'
import { type GenerationDatabases, requireDatabase } from './generation-databases.ts'
import { findByText, type GenerationShelf, type OpenGeneration, type PlacedEntry } from './open-generation.ts'
import { parseQuery } from './parse-query.ts'

interface FileDeps {
  readonly shelf: GenerationShelf
  readonly databases: GenerationDatabases
}

/** `GET /streams/generation-file`: a database is sent as the file that a restore would make, proven before its first byte. */
export async function sendGenerationFile(
  { shelf, databases }: FileDeps,
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse; readonly url: URL },
): Promise<void> {
  const { request, response, url } = exchange
  const query = parseQuery(GenerationFileQuery, url)
  const generation = await shelf.open(query, query.generation)
  const placed = await findByText(generation, query.path)
  const { entry } = placed
  if (entry.kind === 'directory' || entry.kind === 'symlink')
    throw new Failure('invalid-argument', `${query.path} is a ${entry.kind}, not a file`, {
      path: query.path,
    })
  const bytes = entryBytes(entry)
  const asked = parseByteRange(request.headers.range, bytes)
  const range = asked ?? { start: 0, end: bytes }
  using held =
    entry.kind === 'database' ? await databases.holdFile(requireDatabase(generation, placed)) : undefined
  response.writeHead(asked ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': range.end - range.start,
    'accept-ranges': 'bytes',
    ...(asked ? { 'content-range': `bytes ${range.start}-${range.end - 1}/${bytes}` } : {}),
  })
  if (request.method === 'HEAD' || range.start === range.end) response.end()
  else await pipeline(held ? fileBytes(held.file, range) : contentBytes(generation, placed, range), response)
}

function fileBytes(path: string, { start, end }: ByteRange): Readable {
  return createReadStream(path, { start, end: end - 1 })
}

function contentBytes({ chunks }: OpenGeneration, { entry }: PlacedEntry, range: ByteRange): Readable {
  const content = entry.kind === 'file' ? entry.content : []
  return Readable.from(readContentParts(chunks, content, range), { objectMode: false })
}

import { Failure } from '@holdfast/base/failure'
import { type ByteString, fromText } from '@holdfast/generations/format/byte-string'
import { chunkIdFromHex } from '@holdfast/generations/format/chunk-id'
import type { Entry } from '@holdfast/generations/format/entry'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import type { ChunkReader } from '@holdfast/generations/read/chunk-reader'
import { findEntry } from '@holdfast/generations/read/tree-reader'
import type { ArgumentSpec, OptionSpec } from '../../command.ts'

export const DIR: ArgumentSpec = {
  name: 'DIR',
  presence: 'required',
  about: 'a directory with a history; it may be gone from the disk',
}

export const AT: OptionSpec = {
  flags: '--at <GEN>',
  about: 'generation: head, its number, or the beginning of its id',
  otherwise: 'head',
}

/** A path inside a generation as its bytes: `./a//b/` is `a/b`. Rejects with `invalid-argument` for `..`. */
export function parseInnerPath(text: string): ByteString {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..'))
    throw new Failure('invalid-argument', `${text} leaves the directory: paths are relative to it`, {
      path: text,
    })
  return fromText(parts.join('/'))
}

/** The entry at a path of a generation. Rejects with `not-found`. */
export async function requireEntry(
  chunks: ChunkReader,
  generation: GenerationRow,
  text: string,
): Promise<{ readonly path: ByteString; readonly entry: Entry }> {
  const path = parseInnerPath(text)
  const entry = await findEntry(chunks, chunkIdFromHex(generation.root), path)
  if (entry) return { path, entry }
  throw new Failure(
    'not-found',
    `generation ${generation.sequence} has no ${text}: \`hold dir ls DIR --at ${generation.sequence}\` lists what it has`,
    { path: text, generation: generation.id },
  )
}

/** Rejects with `not-found` for a generation that retention has dropped. */
export function requireRetained(generation: GenerationRow): GenerationRow {
  if (generation.retained) return generation
  throw new Failure(
    'not-found',
    `generation ${generation.sequence} is in the history, but its bytes were dropped by retention`,
    { generation: generation.id },
  )
}

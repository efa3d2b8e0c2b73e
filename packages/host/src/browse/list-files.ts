import { fromText, toText } from '@holdfast/generations/format/byte-string'
import type { Entry } from '@holdfast/generations/format/entry'
import { entryBytes } from '@holdfast/generations/read/entry-bytes'
import { readDirectory } from '@holdfast/generations/read/tree-reader'
import type { BROWSE_CALLS, GenerationEntry } from '@holdfast/protocol/browse-calls'
import type { RpcParsed, RpcResponse } from '@holdfast/protocol/rpc-table'
import { findByText, type GenerationShelf } from './open-generation.ts'

export async function listGenerationFiles(
  shelf: GenerationShelf,
  request: RpcParsed<typeof BROWSE_CALLS, 'listGenerationFiles'>,
): Promise<RpcResponse<typeof BROWSE_CALLS, 'listGenerationFiles'>> {
  const generation = await shelf.open(request, request.generation)
  const { entry } = await findByText(generation, request.path)
  const all = entry.kind === 'directory' ? await readDirectory(generation.chunks, entry.node) : []
  const start = request.after === undefined ? 0 : placeBehind(all, request.after)
  const entries = all.slice(start, start + request.limit).map(describeEntry)
  const isWhole = start + entries.length >= all.length
  return { entry: describeEntry(entry), entries, next: isWhole ? null : (entries.at(-1)?.name ?? null) }
}

/** Of the first entry behind a name, be it there or not. */
function placeBehind(entries: readonly Entry[], after: string): number {
  const same = entries.findIndex(({ name }) => toText(name) === after)
  if (same >= 0) return same + 1
  const behind = entries.findIndex(({ name }) => name > fromText(after))
  return behind < 0 ? entries.length : behind
}

function describeEntry(entry: Entry): GenerationEntry {
  const { mode, mtimeNs } = entry.attributes
  return {
    name: entry.name === '' ? '.' : toText(entry.name),
    kind: entry.kind,
    bytes: entryBytes(entry),
    mode,
    modifiedAt: Number(mtimeNs / 1_000_000n),
    target: entry.kind === 'symlink' ? toText(entry.target) : null,
  }
}

import type { ByteString } from '../format/byte-string.ts'
import { joinPath } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import type { Content } from '../format/content.ts'
import type { DirectoryEntry, Entry } from '../format/entry.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { readDirectory, readRoot } from './tree-reader.ts'
import { WalkBound } from './walk-bound.ts'

/** What of an entry differs. */
export type Aspect = 'kind' | 'content' | 'mode' | 'owner' | 'xattrs' | 'mtime'

export type PathChange =
  | { readonly kind: 'added'; readonly path: ByteString; readonly after: Entry }
  | { readonly kind: 'removed'; readonly path: ByteString; readonly before: Entry }
  | {
      readonly kind: 'changed'
      readonly path: ByteString
      readonly before: Entry
      readonly after: Entry
      readonly aspects: readonly Aspect[]
    }

/** The tree of a generation, with as many files as its record counts. */
export interface StoredTree {
  readonly root: ChunkId
  readonly files: number
}

type Pair = readonly [path: ByteString, before: Entry | undefined, after: Entry | undefined]

/**
 * What differs between two trees of one store, by path. Directories that both share are skipped unread; one whose
 * times alone differ, because a name in it came or went, is no change of its own. Rejects as `WalkBound` does.
 */
export async function* diffTrees(
  chunks: ChunkReader,
  from: StoredTree,
  to: StoredTree,
): AsyncGenerator<PathChange> {
  const tops = [await readRoot(chunks, from.root), await readRoot(chunks, to.root)] as const
  const bound = new WalkBound(chunks, [
    { node: tops[0].node, files: from.files },
    { node: tops[1].node, files: to.files },
  ])
  const waiting: Pair[] = [['', ...tops]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [path, before, after] = next
    const change = changeOf(path, before, after)
    if (change) yield change
    const pairs = await childPairs(chunks, next)
    const met = asDirectory(after)?.node ?? asDirectory(before)?.node
    if (met !== undefined && pairs.length > 0) await bound.enter(path, met, pairs.length)
    for (const pair of pairs.reverse()) waiting.push(pair)
  }
}

function changeOf(
  path: ByteString,
  before: Entry | undefined,
  after: Entry | undefined,
): PathChange | undefined {
  if (before && after) {
    const aspects = differingAspects(before, after)
    return aspects.length === 0 ? undefined : { kind: 'changed', path, before, after, aspects }
  }
  if (after) return { kind: 'added', path, after }
  return before && { kind: 'removed', path, before }
}

async function childPairs(chunks: ChunkReader, [path, before, after]: Pair): Promise<Pair[]> {
  const old = asDirectory(before)
  const fresh = asDirectory(after)
  if (old?.node === fresh?.node) return []
  const oldEntries = old ? await readDirectory(chunks, old.node) : []
  const pairs = new Map<ByteString, [Entry | undefined, Entry | undefined]>()
  for (const entry of oldEntries) pairs.set(entry.name, [entry, undefined])
  for (const entry of fresh ? await readDirectory(chunks, fresh.node) : []) {
    pairs.set(entry.name, [pairs.get(entry.name)?.[0], entry])
  }
  return [...pairs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, [one, other]]) => [joinPath(path, name), one, other])
}

function asDirectory(entry: Entry | undefined): DirectoryEntry | undefined {
  return entry?.kind === 'directory' ? entry : undefined
}

function differingAspects(before: Entry, after: Entry): Aspect[] {
  const aspects: Aspect[] = []
  if (before.kind !== after.kind) aspects.push('kind')
  else if (!sameBytes(before, after)) aspects.push('content')
  const [a, b] = [before.attributes, after.attributes]
  if (a.mode !== b.mode) aspects.push('mode')
  if (a.uid !== b.uid || a.gid !== b.gid) aspects.push('owner')
  if (JSON.stringify(a.xattrs) !== JSON.stringify(b.xattrs)) aspects.push('xattrs')
  if (a.mtimeNs !== b.mtimeNs && after.kind !== 'directory') aspects.push('mtime')
  return aspects
}

/** True for entries of one kind that hold the same. */
function sameBytes(before: Entry, after: Entry): boolean {
  if (before.kind === 'file' && after.kind === 'file') return sameContent(before.content, after.content)
  if (before.kind === 'symlink' && after.kind === 'symlink') return before.target === after.target
  if (before.kind === 'database' && after.kind === 'database') {
    return before.checksum === after.checksum && before.pageCount === after.pageCount
  }
  return true
}

function sameContent(before: Content, after: Content): boolean {
  return (
    before.length === after.length &&
    before.every((part, index) => {
      const other = after[index]
      if (part.kind === 'hole' || other?.kind === 'hole')
        return part.kind === other?.kind && part.bytes === other.bytes
      return part.id === other?.id
    })
  )
}

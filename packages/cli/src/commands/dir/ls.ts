import { Failure } from '@holdfast/base/failure'
import { type ByteString, joinPath, toText } from '@holdfast/generations/format/byte-string'
import type { Entry } from '@holdfast/generations/format/entry'
import type { ChunkReader } from '@holdfast/generations/read/chunk-reader'
import { entryBytes } from '@holdfast/generations/read/entry-bytes'
import { readDirectory } from '@holdfast/generations/read/tree-reader'
import { WalkBound } from '@holdfast/generations/read/walk-bound'
import type { CommandSpec } from '../../command.ts'
import { printable } from '../../output/printable.ts'
import { formatBytes, formatInstant, isoInstant } from '../../output/quantities.ts'
import { type Column, formatTable } from '../../output/table.ts'
import { AT, DIR, requireEntry, requireRetained } from './parameters-of-dir.ts'

interface Listed {
  /** Relative to what is listed. */
  readonly path: ByteString
  readonly entry: Entry
}

/** One listing is held in memory and sorted. */
const ENTRIES_MAX = 5_000_000

export const lsCommand: CommandSpec = {
  path: ['dir', 'ls'],
  summary: 'List what is in a generation',
  arguments: [
    DIR,
    { name: 'PATH', presence: 'optional', about: 'a path in it (default: all of the directory)' },
  ],
  options: [
    AT,
    { flags: '-l, --long', about: 'with mode, owner, size and time' },
    { flags: '-r, --recursive', about: 'with everything below' },
  ],
  examples: [
    { line: 'dir ls ./project', shows: 'the names at the top of the newest generation' },
    { line: 'dir ls ./project src -lr --at 12', shows: 'everything below src as it was in number 12' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'reading')
    const generation = requireRetained(await directory.find(given.option('at')))
    const chunks = await directory.chunkReader()
    const { path, entry } = await requireEntry(chunks, generation, given.optionalArgument('PATH') ?? '')
    const listed =
      entry.kind === 'directory'
        ? await listEntries(chunks, entry, { files: generation.files, recursive: given.has('recursive') })
        : [{ path, entry }]
    const { output } = context
    await output.show({
      text: () =>
        given.has('long') ? formatTable(LONG_COLUMNS, listed, output) : listed.map(nameLine).join(''),
      json: () => ({
        generation: generation.id,
        sequence: generation.sequence,
        path: toText(path),
        entries: listed.map(entryJson),
      }),
      ids: () => listed.map((each) => toText(each.path)),
    })
    return undefined
  },
}

/** The entries below a directory in path order. Rejects as `WalkBound` does. */
async function listEntries(
  chunks: ChunkReader,
  top: Extract<Entry, { kind: 'directory' }>,
  { files, recursive }: { readonly files: number; readonly recursive: boolean },
): Promise<Listed[]> {
  const bound = new WalkBound(chunks, [{ node: top.node, files }])
  const listed: Listed[] = []
  const waiting: Listed[] = [{ path: '', entry: top }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, entry } = next
    if (path !== '') listed.push(next)
    if (listed.length > ENTRIES_MAX)
      throw new Failure('invalid-argument', `more than ${ENTRIES_MAX} entries: list a directory below`)
    if (entry.kind !== 'directory' || (path !== '' && !recursive)) continue
    const children = await readDirectory(chunks, entry.node)
    await bound.enter(path, entry.node, children.length)
    for (const child of children.reverse()) waiting.push({ path: joinPath(path, child.name), entry: child })
  }
  return listed
}

function nameLine({ path, entry }: Listed): string {
  return `${printable(toText(path))}${entry.kind === 'directory' ? '/' : ''}\n`
}

const KIND_LETTER: Readonly<Record<Entry['kind'], string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  database: '-',
}

const LONG_COLUMNS: readonly Column<Listed>[] = [
  { title: 'MODE', cell: ({ entry }) => KIND_LETTER[entry.kind] + modeText(entry.attributes.mode) },
  { title: 'OWNER', cell: ({ entry }) => `${entry.attributes.uid}:${entry.attributes.gid}` },
  {
    title: 'SIZE',
    align: 'right',
    cell: ({ entry }) => (entry.kind === 'directory' ? '-' : formatBytes(entryBytes(entry))),
  },
  { title: 'MODIFIED', cell: ({ entry }) => formatInstant(modifiedMs(entry)) },
  { title: 'NAME', cell: longName },
]

function longName({ path, entry }: Listed): string {
  const name = toText(path)
  switch (entry.kind) {
    case 'directory':
      return `${name}/`
    case 'symlink':
      return `${name} -> ${toText(entry.target)}`
    case 'database':
      return `${name} (SQLite, ${entry.pageCount} pages)`
    case 'file':
      return name
  }
}

function entryJson({ path, entry }: Listed): Record<string, unknown> {
  const { mode, uid, gid } = entry.attributes
  return {
    path: toText(path),
    kind: entry.kind,
    mode: mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    modifiedAt: isoInstant(modifiedMs(entry)),
    ...(entry.kind === 'directory' ? {} : { bytes: entryBytes(entry) }),
    ...(entry.kind === 'symlink' ? { target: toText(entry.target) } : {}),
  }
}

function modifiedMs(entry: Entry): number {
  return Number(entry.attributes.mtimeNs / 1_000_000n)
}

/** `rwxr-xr-x`, with `s` and `t` as ls shows them. */
function modeText(mode: number): string {
  const classes = [
    { bits: mode >> 6, special: (mode & 0o4000) !== 0, letter: 's' },
    { bits: mode >> 3, special: (mode & 0o2000) !== 0, letter: 's' },
    { bits: mode, special: (mode & 0o1000) !== 0, letter: 't' },
  ]
  return classes
    .map(({ bits, special, letter }) => {
      const runs = (bits & 1) !== 0
      const last = special ? (runs ? letter : letter.toUpperCase()) : runs ? 'x' : '-'
      return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`
    })
    .join('')
}

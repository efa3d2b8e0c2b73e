import { Failure } from '@holdfast/base/failure'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { toText } from '@holdfast/generations/format/byte-string'
import { chunkIdFromHex } from '@holdfast/generations/format/chunk-id'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { entryBytes } from '@holdfast/generations/read/entry-bytes'
import { compareRows, type RowComparison, type TableRows } from '@holdfast/generations/read/row-counts'
import { diffTrees, type PathChange } from '@holdfast/generations/read/tree-diff'
import type { CommandSpec, Given } from '../../command.ts'
import type { Output } from '../../output/output.ts'
import { printable } from '../../output/printable.ts'
import { counted, formatBytes, formatCount } from '../../output/quantities.ts'
import { generationName } from './generation-forms.ts'
import { DIR, requireRetained } from './parameters-of-dir.ts'

interface Difference {
  readonly change: PathChange
  /** For a database whose pages changed. */
  readonly rows?: RowComparison
}

export const diffCommand: CommandSpec = {
  path: ['dir', 'diff'],
  summary: 'Show what changed between two generations',
  notes: 'For a SQLite database that changed, the rows of each table are counted in both versions.',
  arguments: [
    DIR,
    { name: 'FROM', presence: 'optional', about: 'the older generation (default: the one before TO)' },
    { name: 'TO', presence: 'optional', about: 'the newer generation (default: head)' },
  ],
  options: [],
  examples: [
    { line: 'dir diff ./project', shows: 'what the newest generation changed' },
    { line: 'dir diff ./project 3 12', shows: 'what changed from number 3 to number 12' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'reading')
    const { from, to } = await chooseGenerations(directory, given)
    const differences = await findDifferences(directory, from, to)
    await context.output.show({
      text: () => describe(differences, { from, to }, context.output),
      json: () => ({ from: from.id, to: to.id, changes: differences.map(differenceJson) }),
      ids: () => differences.map(({ change }) => toText(change.path)),
    })
    return undefined
  },
}

interface Generations {
  readonly from: GenerationRow
  readonly to: GenerationRow
}

async function chooseGenerations(directory: DurableDirectory, given: Given): Promise<Generations> {
  const to = requireRetained(await directory.find(given.optionalArgument('TO')))
  const named = given.optionalArgument('FROM')
  if (named !== undefined) return { from: requireRetained(await directory.find(named)), to }
  if (to.parent === null) {
    throw new Failure(
      'not-found',
      `${generationName(to)} is the first: there is none before it to compare with`,
    )
  }
  return { from: requireRetained(await directory.index.generation(to.parent)), to }
}

async function findDifferences(
  directory: DurableDirectory,
  from: GenerationRow,
  to: GenerationRow,
): Promise<Difference[]> {
  const chunks = await directory.chunkReader()
  const roots = [chunkIdFromHex(from.root), chunkIdFromHex(to.root)] as const
  const differences: Difference[] = []
  const trees = [
    { root: roots[0], files: from.files },
    { root: roots[1], files: to.files },
  ] as const
  for await (const change of diffTrees(chunks, ...trees)) {
    if (change.kind === 'changed' && change.after.kind === 'database' && change.aspects.includes('content')) {
      const before = { root: roots[0], entry: change.before }
      const after = { root: roots[1], entry: change.after }
      differences.push({ change, rows: await compareRows(chunks, change.path, { before, after }) })
    } else differences.push({ change })
  }
  return differences
}

const MARKS = { added: ['+', 'green'], removed: ['-', 'red'], changed: ['~', 'yellow'] } as const

function describe(differences: readonly Difference[], { from, to }: Generations, output: Output): string {
  const title = `From ${generationName(from)} to ${generationName(to)}\n`
  if (differences.length === 0) return `${title}Nothing changed.\n`
  const count = (kind: PathChange['kind']) => differences.filter(({ change }) => change.kind === kind).length
  const totals = `${counted(count('added'), 'path')} added, ${formatCount(count('removed'))} removed, ${formatCount(count('changed'))} changed\n`
  return title + differences.map((each) => differenceText(each, output)).join('') + totals
}

function differenceText({ change, rows }: Difference, { paint }: Output): string {
  const [mark, style] = MARKS[change.kind]
  const isDirectory = (change.kind === 'removed' ? change.before : change.after).kind === 'directory'
  const name = change.path === '' ? '.' : printable(toText(change.path))
  const said = sizeText(change)
  const line = `${paint(style, `${mark} ${name}${isDirectory ? '/' : ''}`)}${said === '' ? '' : `  ${said}`}\n`
  return line + (rows ? rowsText(rows) : '')
}

function sizeText(change: PathChange): string {
  if (change.kind !== 'changed') {
    const entry = change.kind === 'added' ? change.after : change.before
    return entry.kind === 'directory' ? '' : formatBytes(entryBytes(entry))
  }
  const { before, after, aspects } = change
  const others = aspects.filter((aspect) => aspect !== 'content' && aspect !== 'mtime')
  if (others.length === 0 && !aspects.includes('content')) return '(time only)'
  const sizes = aspects.includes('content') ? [sizesText(entryBytes(before), entryBytes(after))] : []
  return [...sizes, ...others.map((aspect) => `(${aspect})`)].join(' ')
}

function sizesText(before: number, after: number): string {
  return before === after ? formatBytes(after) : `${formatBytes(before)} -> ${formatBytes(after)}`
}

function rowsText(rows: RowComparison): string {
  if (rows.kind === 'not-counted') return `    rows not counted: ${printable(rows.reason)}\n`
  const changed = rows.tables.filter(({ before, after }) => before !== after)
  if (changed.length === 0) return '    the same number of rows in every table\n'
  return changed.map((table) => `    ${printable(table.table)}: ${tableText(table)}\n`).join('')
}

function tableText({ before, after }: TableRows): string {
  if (before === null) return `new table, ${counted(after ?? 0, 'row')}`
  if (after === null) return `table dropped with ${counted(before, 'row')}`
  const delta = `${after < before ? '-' : '+'}${formatCount(Math.abs(after - before))}`
  return `${formatCount(before)} -> ${counted(after, 'row')} (${delta})`
}

function differenceJson({ change, rows }: Difference): Record<string, unknown> {
  const before = change.kind === 'added' ? undefined : change.before
  const after = change.kind === 'removed' ? undefined : change.after
  return {
    path: toText(change.path),
    change: change.kind,
    kind: (after ?? before)?.kind,
    bytesBefore: before ? entryBytes(before) : null,
    bytesAfter: after ? entryBytes(after) : null,
    ...(change.kind === 'changed' ? { aspects: change.aspects } : {}),
    ...(rows?.kind === 'counted' ? { tables: rows.tables } : {}),
    ...(rows?.kind === 'not-counted' ? { rowsNotCounted: rows.reason } : {}),
  }
}

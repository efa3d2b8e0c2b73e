import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { Failure } from '@holdfast/base/failure'
import type { FileState } from '@holdfast/client/files'
import type { ArgumentSpec, CommandSpec, Given } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { documentOf } from '../../output/document.ts'
import { printable } from '../../output/printable.ts'
import { formatBytes, formatInstant } from '../../output/quantities.ts'
import { type Column, formatTable } from '../../output/table.ts'
import { parseCount } from '../../parameters.ts'
import { NAME } from './parameters-of-workspaces.ts'

const DEPTH_MAX = 32
const PATH: ArgumentSpec = {
  name: 'PATH',
  presence: 'required',
  about: 'relative to /workspace, or absolute below it',
}

const COLUMNS: readonly Column<FileState>[] = [
  { title: 'MODE', cell: ({ mode }) => mode.toString(8).padStart(4, '0') },
  { title: 'SIZE', align: 'right', cell: ({ kind, bytes }) => (kind === 'file' ? formatBytes(bytes) : '-') },
  { title: 'MODIFIED', cell: ({ modifiedAt }) => formatInstant(modifiedAt) },
  { title: 'NAME', cell: nameCell },
]

function nameCell({ path, kind, target }: FileState): string {
  if (kind === 'directory') return `${path}/`
  return target === null ? path : `${path} -> ${target}`
}

async function filesOf(context: Context, given: Given) {
  return (await context.workspace(given.argument('NAME'))).files
}

async function showFiles(context: Context, rows: readonly FileState[]): Promise<void> {
  await context.output.show({
    text: () => formatTable(COLUMNS, rows, context.output),
    json: () => rows.map(documentOf),
    ids: () => rows.map(({ path }) => path),
  })
}

export const filesListCommand: CommandSpec = {
  path: ['files', 'ls'],
  isDefault: true,
  summary: 'List a directory of a workspace',
  arguments: [NAME, { ...PATH, presence: 'optional' }],
  options: [
    { flags: '--depth <N>', about: 'so many levels', otherwise: '1' },
    { flags: '--at <GEN>', about: 'as it was in this generation', otherwise: 'as it is' },
  ],
  examples: [
    { line: 'files ls box src', shows: 'what is in /workspace/src' },
    { line: 'files ls box src --at 3', shows: 'what was in it in number 3' },
  ],
  async run(context, given) {
    const at = given.option('at')
    if (at !== undefined) return await listThen(context, given, at)
    const depth = parseCount('--depth', given.option('depth') ?? '1', { min: 1, max: DEPTH_MAX })
    const rows: FileState[] = []
    const files = await filesOf(context, given)
    for await (const file of files.list(given.optionalArgument('PATH') ?? '.', { depth })) rows.push(file)
    await showFiles(context, rows)
    return undefined
  },
}

/** Of a generation one level is listed: it is read from the store, directory by directory. */
async function listThen(context: Context, given: Given, at: string): Promise<undefined> {
  if (given.option('depth') !== undefined)
    throw new Failure('invalid-argument', 'of a generation one level is listed: leave out --depth')
  const { generations } = await context.workspace(given.argument('NAME'))
  const rows: FileState[] = []
  for await (const entry of generations.entries(at, given.optionalArgument('PATH') ?? '.')) {
    const { name: path, kind, bytes, mode, modifiedAt, target } = entry
    rows.push({ path, kind: fileKind(kind), bytes, mode, modifiedAt, target })
  }
  await showFiles(context, rows)
  return undefined
}

function fileKind(kind: string): FileState['kind'] {
  return kind === 'directory' || kind === 'symlink' ? kind : 'file'
}

export const filesCatCommand: CommandSpec = {
  path: ['files', 'cat'],
  summary: 'Print a file of a workspace',
  arguments: [NAME, PATH],
  options: [{ flags: '--at <GEN>', about: 'as it was in this generation', otherwise: 'as it is' }],
  examples: [
    { line: 'files cat box notes.md', shows: 'as it is' },
    { line: 'files cat box notes.md --at 3', shows: 'as it was in number 3' },
  ],
  async run(context, given) {
    const { files, generations } = await context.workspace(given.argument('NAME'))
    const path = given.argument('PATH')
    const at = given.option('at')
    const bytes = at === undefined ? await files.download(path) : await generations.download(at, path)
    for await (const part of bytes) await context.output.write(part)
    return undefined
  },
}

export const filesPutCommand: CommandSpec = {
  path: ['files', 'put'],
  summary: 'Write a file of a workspace',
  arguments: [
    NAME,
    PATH,
    { name: 'FILE', presence: 'optional', about: 'a file here (default: the standard input)' },
  ],
  options: [{ flags: '--mode <MODE>', about: 'its permissions, as 755' }],
  examples: [
    { line: 'files put box notes.md < notes.md', shows: 'the standard input' },
    { line: 'files put box run.sh ./run.sh --mode 755', shows: 'a file, which may be run' },
  ],
  async run(context, given) {
    const mode = given.option('mode')
    const file = given.optionalArgument('FILE')
    const source = file === undefined ? context.terminal.input : createReadStream(file)
    const files = await filesOf(context, given)
    const content: ReadableStream<Uint8Array> = ReadableStream.from(Readable.from(source))
    const written = await files.write(given.argument('PATH'), content, {
      mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
    })
    await showFiles(context, [written])
    return undefined
  },
}

export const filesRemoveCommand: CommandSpec = {
  path: ['files', 'rm'],
  summary: 'Remove a file of a workspace',
  arguments: [NAME, PATH],
  options: [{ flags: '-r, --recursive', about: 'a directory with everything below' }],
  examples: [{ line: 'files rm box build -r', shows: 'a directory' }],
  async run(context, given) {
    const files = await filesOf(context, given)
    await files.remove(given.argument('PATH'), { recursive: given.has('recursive') })
    return undefined
  },
}

export const filesMoveCommand: CommandSpec = {
  path: ['files', 'mv'],
  summary: 'Move a file of a workspace',
  arguments: [NAME, { ...PATH, name: 'FROM' }, { ...PATH, name: 'TO' }],
  options: [],
  examples: [{ line: 'files mv box draft.md final.md', shows: 'under another name' }],
  async run(context, given) {
    const files = await filesOf(context, given)
    await showFiles(context, [await files.move(given.argument('FROM'), given.argument('TO'))])
    return undefined
  },
}

export const filesMakeDirectoryCommand: CommandSpec = {
  path: ['files', 'mkdir'],
  summary: 'Make a directory in a workspace, and those above it',
  arguments: [NAME, PATH],
  options: [],
  examples: [{ line: 'files mkdir box src/lib', shows: 'both levels' }],
  async run(context, given) {
    const files = await filesOf(context, given)
    await showFiles(context, [await files.makeDirectory(given.argument('PATH'))])
    return undefined
  },
}

const BELOW = { flags: '--in <PATH>', about: 'only below this directory', otherwise: 'the whole workspace' }
const PATTERN: ArgumentSpec = { name: 'PATTERN', presence: 'required', about: 'what to look for' }

export const filesFindCommand: CommandSpec = {
  path: ['files', 'find'],
  summary: 'List paths of a workspace whose names match a pattern',
  arguments: [NAME, PATTERN],
  options: [BELOW],
  examples: [{ line: "files find box '*.ts' --in src", shows: 'paths, one a line' }],
  async run(context, given) {
    const files = await filesOf(context, given)
    const found = await files.find(given.argument('PATTERN'), { path: given.option('in') ?? '.' })
    await context.output.show({
      text: () => found.items.map((path) => `${printable(path)}\n`).join(''),
      json: () => found,
      ids: () => found.items,
    })
    if (!found.isWhole) context.output.note('There are more: look below one directory with --in.')
    return undefined
  },
}

export const filesGrepCommand: CommandSpec = {
  path: ['files', 'grep'],
  summary: 'Show lines of files of a workspace that hold a text',
  arguments: [NAME, PATTERN],
  options: [BELOW, { flags: '-E, --regex', about: 'the pattern is a regular expression' }],
  examples: [{ line: "files grep box 'deadline' --in notes", shows: 'path, line number and line' }],
  async run(context, given) {
    const files = await filesOf(context, given)
    const found = await files.grep(given.argument('PATTERN'), {
      path: given.option('in') ?? '.',
      regex: given.has('regex'),
    })
    await context.output.show({
      text: () =>
        found.items.map(({ path, line, text }) => `${printable(path)}:${line}:${printable(text)}\n`).join(''),
      json: () => found,
      ids: () => [...new Set(found.items.map(({ path }) => path))],
    })
    if (!found.isWhole) context.output.note('There are more: look below one directory with --in.')
    return found.items.length === 0 ? 1 : undefined
  },
}

export const filesWatchCommand: CommandSpec = {
  path: ['files', 'watch'],
  summary: 'Tell changes below a directory of a workspace as they happen',
  arguments: [NAME, { ...PATH, presence: 'optional' }],
  options: [],
  examples: [{ line: 'files watch box src', shows: 'until Ctrl-C' }],
  async run(context, given) {
    const files = await filesOf(context, given)
    const isForPeople = context.output.isForPeople
    for await (const event of files.watch(given.optionalArgument('PATH') ?? '.'))
      await context.output.write(
        isForPeople ? `${event.kind}  ${printable(event.path)}\n` : `${JSON.stringify(event)}\n`,
      )
    return undefined
  },
}

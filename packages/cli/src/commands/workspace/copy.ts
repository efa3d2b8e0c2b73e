import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Failure } from '@holdfast/base/failure'
import type { Files } from '@holdfast/client/files'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'

interface Place {
  /** Undefined: this machine. */
  readonly workspace: string | undefined
  readonly path: string
}

export const copyCommand: CommandSpec = {
  path: ['cp'],
  summary: 'Copy files and directories into a workspace or out of one',
  notes:
    'One of both places is NAME:PATH, the other a path here, or - for the standard input or output. What is copied to an ' +
    'existing directory goes into it.',
  arguments: [
    { name: 'FROM', presence: 'required', about: 'what is copied' },
    { name: 'TO', presence: 'required', about: 'where it goes' },
  ],
  options: [],
  examples: [
    { line: 'cp ./src box:src', shows: 'a directory into the workspace box' },
    { line: 'cp box:out/report.pdf .', shows: 'a file out of it' },
    { line: 'cp box:notes.md -', shows: 'a file to the standard output' },
  ],
  async run(context, given) {
    const from = placeOf(given.argument('FROM'))
    const to = placeOf(given.argument('TO'))
    if ((from.workspace === undefined) === (to.workspace === undefined))
      throw new Failure('invalid-argument', 'one of both places is NAME:PATH: hold cp ./file box:file')
    const { files } = await context.workspace(from.workspace ?? to.workspace ?? '')
    const isIn = from.workspace === undefined
    const copying = () =>
      isIn ? copyIn(context, files, { from, to }) : copyOut(context, files, { from, to })
    await context.timed('copying', () => ({}), copying)
    return undefined
  },
}

/** `box:a/b`; a path here has a slash before its first colon, or no colon. */
function placeOf(word: string): Place {
  const match = /^([^/:]+):(.*)$/s.exec(word)
  if (match === null) return { workspace: undefined, path: word }
  return { workspace: match[1], path: match[2] === '' ? '.' : (match[2] ?? '.') }
}

async function copyIn(
  context: Context,
  files: Files,
  { from, to }: { readonly from: Place; readonly to: Place },
): Promise<void> {
  if (from.path === '-') {
    await files.write(to.path, ReadableStream.from(Readable.from(context.terminal.input)))
    return
  }
  const source = statSync(from.path, { throwIfNoEntry: false })
  if (source === undefined) throw new Failure('not-found', `there is no ${from.path}`, { path: from.path })
  const target = await targetInside(files, to.path, basename(from.path))
  if (!source.isDirectory()) {
    const content: ReadableStream<Uint8Array> = ReadableStream.from(createReadStream(from.path))
    await files.write(target, content, { mode: source.mode & 0o777 })
    return
  }
  const tar = spawn('tar', ['-cC', from.path, '.'], { stdio: ['ignore', 'pipe', 'pipe'] })
  await Promise.all([files.uploadArchive(target, ReadableStream.from(tar.stdout)), ended(tar)])
}

/** A path in the workspace; below it where it is a directory already. */
async function targetInside(files: Files, path: string, name: string): Promise<string> {
  if (path.endsWith('/')) return `${path}${name}`
  const isDirectory = await files.stat(path).then(
    ({ kind }) => kind === 'directory',
    () => false,
  )
  return isDirectory ? `${path}/${name}` : path
}

async function copyOut(
  context: Context,
  files: Files,
  { from, to }: { readonly from: Place; readonly to: Place },
): Promise<void> {
  const { kind } = await files.stat(from.path)
  if (to.path === '-') {
    const bytes =
      kind === 'directory' ? await files.downloadArchive(from.path) : await files.download(from.path)
    for await (const part of bytes) await context.output.write(part)
    return
  }
  const isDirectoryHere = existsSync(to.path) && statSync(to.path).isDirectory()
  const target = isDirectoryHere && basename(from.path) !== '.' ? join(to.path, basename(from.path)) : to.path
  if (kind !== 'directory') {
    await writeHere(await files.download(from.path), target)
    return
  }
  mkdirSync(target, { recursive: true })
  // The archive was made by what runs in the workspace: owners and special bits of its choice are not taken over.
  const args = ['-xC', target, '--no-same-owner', '--no-same-permissions']
  const tar = spawn('tar', args, { stdio: ['pipe', 'ignore', 'pipe'] })
  await Promise.all([pipeline(Readable.from(await files.downloadArchive(from.path)), tar.stdin), ended(tar)])
}

/** The file is there when all of it is. */
async function writeHere(bytes: ReadableStream<Uint8Array>, path: string): Promise<void> {
  const part = `${path}.part`
  try {
    await pipeline(Readable.from(bytes), createWriteStream(part, { flags: 'wx' }))
    renameSync(part, path)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
}

async function ended(tar: ReturnType<typeof spawn>): Promise<void> {
  let said = ''
  tar.stderr?.on('data', (part) => {
    said += part
  })
  const [code] = await once(tar, 'close')
  if (code !== 0) throw new Failure('source-failed', `tar failed: ${said.trim()}`)
}

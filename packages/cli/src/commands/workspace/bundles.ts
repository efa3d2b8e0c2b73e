import { createReadStream, createWriteStream, existsSync, renameSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Failure } from '@holdfast/base/failure'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { formatBytes } from '../../output/quantities.ts'
import { NAME } from './parameters-of-workspaces.ts'
import { nameOf, workspaceShown } from './workspace-forms.ts'

const STANDARD = '-'

export const exportCommand: CommandSpec = {
  path: ['export'],
  summary: 'Write generations of a workspace as one portable file',
  notes:
    'The file holds all that a restore needs, each byte with its hash; the workspace may run or not. The file of a ' +
    'sealed store is sealed with the same key.',
  arguments: [
    NAME,
    {
      name: 'FILE',
      presence: 'required',
      about: 'the file to make, which must not exist; -: standard output',
    },
  ],
  options: [
    { flags: '--at <GEN>', about: 'only this generation', otherwise: 'every one that can be restored' },
  ],
  examples: [
    { line: 'export box box.hold', shows: 'the whole history' },
    { line: 'export box box.hold --at head', shows: 'the newest generation' },
  ],
  async run(context, given) {
    const file = given.argument('FILE')
    const path = resolve(file)
    if (file !== STANDARD && existsSync(path))
      throw new Failure('already-exists', `${path} exists already`, { path })
    const { generations } = await context.workspace(given.argument('NAME'))
    const bundle = await generations.export({ generation: given.option('at') })
    if (file === STANDARD) {
      for await (const part of bundle) await context.output.write(part)
      return undefined
    }
    const bytes = await written(context, bundle, path)
    await context.output.show({
      text: () => `Exported ${formatBytes(bytes)} to ${path}\n`,
      json: () => ({ path, bytes }),
      ids: () => [path],
    })
    return undefined
  },
}

/** The file is there once it is whole. */
async function written(context: Context, bundle: ReadableStream<Uint8Array>, path: string): Promise<number> {
  const part = `${path}.part`
  let bytesDone = 0
  async function* counted() {
    for await (const piece of bundle) {
      bytesDone += piece.length
      yield piece
    }
  }
  try {
    await context.timed(
      'exporting',
      () => ({ bytesDone }),
      () => pipeline(counted(), createWriteStream(part)),
    )
    renameSync(part, path)
  } finally {
    rmSync(part, { force: true })
  }
  return bytesDone
}

export const importCommand: CommandSpec = {
  path: ['import'],
  summary: 'Make a stopped workspace of an exported file',
  arguments: [
    { name: 'FILE', presence: 'required', about: 'what `export` made; -: standard input' },
    { name: 'NAME', presence: 'optional', about: 'its name (default: it has only an id)' },
  ],
  options: [],
  examples: [{ line: 'import box.hold copy', shows: 'with the history of box; `resume copy` starts it' }],
  async run(context, given) {
    const file = given.argument('FILE')
    if (file !== STANDARD && !existsSync(file))
      throw new Failure('not-found', `there is no ${file}`, { path: file })
    const source = file === STANDARD ? context.terminal.input : createReadStream(file)
    const bundle: ReadableStream<Uint8Array> = ReadableStream.from(Readable.from(source))
    const server = await context.server()
    const { result: workspace } = await context.timed(
      'importing',
      () => ({}),
      () => server.importBundle(bundle, { name: given.optionalArgument('NAME') }),
    )
    await context.output.show(workspaceShown(workspace.state, `Imported ${nameOf(workspace.state)}`))
    return undefined
  },
}

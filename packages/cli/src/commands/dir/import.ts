import { existsSync, readdirSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure, isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import {
  type DirectoryDeps,
  DurableDirectory,
  findOrMakeOrg,
  readKeyFile,
  realPath,
} from '@holdfast/generations/directory/durable-directory'
import type { FrameCoding } from '@holdfast/generations/format/frame'
import { createFrameSeal } from '@holdfast/generations/format/frame-seal'
import { type ImportedBundle, importBundle } from '@holdfast/generations/maintenance/import-bundle'
import type { CommandSpec, Given } from '../../command.ts'
import { openHome } from '../../directory-deps.ts'
import type { Context } from '../../open-context.ts'
import type { ProgressState } from '../../output/progress.ts'
import { counted, formatBytes, formatDuration } from '../../output/quantities.ts'
import { DIR } from './parameters-of-dir.ts'
import { STORE_OPTIONS, type StoreChoice, withStore } from './store-options.ts'

export const importCommand: CommandSpec = {
  path: ['dir', 'import'],
  summary: 'Begin a history for a new directory with the generations in a file',
  notes:
    'Everything in the file is checked before anything is kept; then the newest generation is restored to DIR.',
  arguments: [
    { name: 'FILE', presence: 'required', about: 'what `hold dir export` wrote' },
    { ...DIR, about: 'the directory to make' },
  ],
  options: [
    {
      flags: '--file-key <FILE>',
      about: 'the key that the exported file is sealed with',
      otherwise: 'that of the store, or none',
    },
    ...STORE_OPTIONS,
  ],
  examples: [
    { line: 'dir import project.hold ./project', shows: 'on another machine' },
    { line: 'dir import sealed.hold ./project --file-key ~/holdfast.key', shows: 'a file of a sealed store' },
  ],
  async run(context, given) {
    const path = realPath(given.argument('DIR'))
    refuseTaken(context, path)
    const deps = await context.deps('beginning')
    const bytesTotal = statSync(resolve(given.argument('FILE')), { throwIfNoEntry: false })?.size ?? 0
    let restoring: ProgressState | undefined
    const state = () => restoring ?? { bytesDone: context.traffic.bytesPut, bytesTotal }
    const onProgress = (progress: ProgressState) => {
      restoring = progress
    }
    const { result, elapsedMs } = await context.timed('importing', state, async () => {
      const imported = await withStore(context, given, (choice) => importInto(deps, { given, choice, path }))
      const directory = context.use(await DurableDirectory.open(deps, path))
      const restored = await directory.restore({ generation: await directory.find(), path, onProgress })
      return { imported, directory, restored }
    })
    const { imported, directory, restored } = result
    await context.output.show({
      text: () =>
        `Imported ${counted(imported.generations.length, 'generation')} (${formatBytes(imported.bytes)}), and restored ` +
        `the newest to ${path}\n  ${counted(restored.files, 'file')}, ${formatBytes(restored.bytes)}, ` +
        `in ${formatDuration(elapsedMs)}\nNext: hold dir history ${path}\n`,
      json: () => ({ id: directory.config.workspace, path, ...imported, restored, elapsedMs }),
      ids: () => imported.generations,
    })
    return undefined
  },
}

/** Rejects with `already-exists` or `not-empty` before anything is written. */
function refuseTaken(context: Context, path: string): void {
  if (
    openHome(context)
      .directories()
      .some((known) => known.path === path)
  )
    throw new Failure('already-exists', `${path} has a history already: \`hold dir history ${path}\``, {
      path,
    })
  if (existsSync(path) && readdirSync(path).length > 0)
    throw new Failure('not-empty', `${path} exists and is not empty`, { path })
}

async function importInto(
  deps: DirectoryDeps,
  request: { readonly given: Given; readonly choice: StoreChoice; readonly path: string },
): Promise<ImportedBundle> {
  const { given, choice, path } = request
  const { org } = await findOrMakeOrg(deps, { path, ...choice })
  await using store = await deps.openStore(choice.store)
  await using index = await deps.openIndex(deps.home.indexPath(org))
  const coding = codingOf(choice.keyFile)
  const parts = { store, index, coding, clock: deps.clock, randomness: deps.randomness }
  const file = resolve(given.argument('FILE'))
  const fileKey = given.option('fileKey')
  const codings = fileKey === undefined ? [coding, codingOf(null)] : [codingOf(resolve(fileKey))]
  for (const bundleCoding of codings) {
    try {
      const workspace = newIdentifier('ws', deps.randomness)
      const imported = await importBundle(parts, { org, workspace, path: file, bundleCoding })
      deps.home.saveDirectory({ format: 1, workspace, org, path, volume: 'live' })
      return imported
    } catch (error) {
      if (!isFailure(error, 'wrong-key')) throw error
    }
  }
  throw new Failure('wrong-key', `${file} is sealed with another key: name it with --file-key`, {
    path: file,
  })
}

function codingOf(keyFile: string | null): FrameCoding {
  return { seal: keyFile === null ? null : createFrameSeal(readKeyFile(keyFile)) }
}

import { existsSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { openVolume } from '@holdfast/generations/directory/open-volume'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import type { RestoredTree } from '@holdfast/generations/restore/restore-tree'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import type { ProgressState } from '../../output/progress.ts'
import { counted, formatBytes, formatDuration } from '../../output/quantities.ts'
import { boundAway, noteBoundAway } from './bound-away.ts'
import { generationName } from './generation-forms.ts'
import { AT, DIR, requireRetained } from './parameters-of-dir.ts'

export const restoreCommand: CommandSpec = {
  path: ['dir', 'restore'],
  summary: 'Restore a generation, into the directory itself when it is gone or empty',
  notes:
    'The restored directory appears at once, complete; every byte is checked against its hash and every database ' +
    'against its checksum. A directory that has something in it is never touched.',
  arguments: [DIR],
  options: [AT, { flags: '--to <PATH>', about: 'restore to this new path instead', otherwise: 'DIR itself' }],
  examples: [
    { line: 'dir restore ./project', shows: 'bring back a directory that is gone' },
    { line: 'dir restore ./project --at 12 --to ./project-12', shows: 'number 12 as a directory beside it' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'writing')
    const generation = requireRetained(await directory.find(given.option('at')))
    const to = given.option('to')
    const startedMs = context.clock.monotonicMs()
    const path = to === undefined ? directory.config.path : resolve(to)
    const restored =
      to === undefined
        ? await restoreInPlace(context, directory, {
            generation,
            path,
            isHead: given.option('at') === undefined,
          })
        : await restoreTo(context, directory, { generation, path })
    const elapsedMs = context.clock.monotonicMs() - startedMs
    const { bound, ...done } = 'mounted' in restored ? { ...restored, bound: [] } : restored
    const away = boundAway(bound, { path, writersPath: directory.config.path })
    await context.output.show({
      text: () => describe(generation, path, { restored, elapsedMs }),
      json: () => ({
        generation: generation.id,
        sequence: generation.sequence,
        path,
        ...done,
        recoverElsewhere: away,
        elapsedMs,
      }),
      ids: () => [path],
    })
    noteBoundAway(context, away)
    return undefined
  },
}

interface RestoreRequest {
  readonly generation: GenerationRow
  readonly path: string
}

async function restoreTo(
  context: Context,
  directory: DurableDirectory,
  request: RestoreRequest,
): Promise<RestoredTree> {
  return await withProgress(context, (onProgress) => directory.restore({ ...request, onProgress }))
}

/**
 * Resolves with `mounted` for a btrfs volume that only was not mounted: all that was in it is back. Rejects with
 * `not-empty`, naming the two ways that keep or replace what is there.
 */
async function restoreInPlace(
  context: Context,
  directory: DurableDirectory,
  request: RestoreRequest & { readonly isHead: boolean },
): Promise<RestoredTree | { readonly mounted: true }> {
  const { path } = request
  requireVacant(request)
  if (directory.config.volume === 'live') return await restoreTo(context, directory, request)
  await using _mounted = await openVolume(directory)
  if (isVacant(path))
    return await withProgress(context, (onProgress) => directory.restoreInto({ ...request, onProgress }))
  if (!request.isHead) requireVacant(request)
  return { mounted: true }
}

function describe(
  generation: GenerationRow,
  path: string,
  done: { readonly restored: RestoredTree | { readonly mounted: true }; readonly elapsedMs: number },
): string {
  const { restored, elapsedMs } = done
  if ('mounted' in restored) return `Mounted ${path}: all that was in it is back\n`
  const { files, bytes, databases } = restored
  const size = `${counted(files, 'file')}, ${formatBytes(bytes)}, ${counted(databases, 'database')}`
  return `Restored ${generationName(generation)} to ${path}\n  ${size}, in ${formatDuration(elapsedMs)}\n`
}

async function withProgress(
  context: Context,
  restore: (onProgress: (progress: ProgressState) => void) => Promise<RestoredTree>,
): Promise<RestoredTree> {
  let state: ProgressState = {}
  const { result } = await context.timed(
    'restoring',
    () => state,
    () =>
      restore((progress) => {
        state = progress
      }),
  )
  return result
}

function isVacant(path: string): boolean {
  return !existsSync(path) || readdirSync(path).length === 0
}

function requireVacant({ path, generation: { sequence } }: RestoreRequest): void {
  if (isVacant(path)) return
  throw new Failure(
    'not-empty',
    `${path} is not empty: --to PATH restores beside it, \`hold dir rollback ${path} ${sequence}\` replaces it`,
    { path },
  )
}

import { existsSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { CommandSpec } from '../../command.ts'
import type { ProgressState } from '../../output/progress.ts'
import { counted, formatBytes, formatDuration } from '../../output/quantities.ts'
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
    const path = resolve(given.option('to') ?? directory.config.path)
    if (given.option('to') === undefined) requireVacant(path, generation.sequence)
    const startedMs = context.clock.monotonicMs()
    let state: ProgressState = {}
    using _progress = context.output.progress('restoring', () => state)
    const restored = await directory.restore({
      generation,
      path,
      onProgress: (progress) => {
        state = progress
      },
    })
    const elapsedMs = context.clock.monotonicMs() - startedMs
    _progress[Symbol.dispose]()
    const size = `${counted(restored.files, 'file')}, ${formatBytes(restored.bytes)}, ${counted(restored.databases, 'database')}`
    await context.output.show({
      text: () =>
        `Restored ${generationName(generation)} to ${path}\n  ${size}, in ${formatDuration(elapsedMs)}\n`,
      json: () => ({
        generation: generation.id,
        sequence: generation.sequence,
        path,
        ...restored,
        elapsedMs,
      }),
      ids: () => [path],
    })
    return undefined
  },
}

/** Rejects with `not-empty`, naming the two ways that keep or replace what is there. */
function requireVacant(path: string, sequence: number): void {
  if (!existsSync(path) || readdirSync(path).length === 0) return
  throw new Failure(
    'not-empty',
    `${path} is not empty: --to PATH restores beside it, \`hold dir rollback ${path} ${sequence}\` replaces it`,
    { path },
  )
}

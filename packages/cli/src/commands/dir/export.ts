import { resolve } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import { exportBundle } from '@holdfast/generations/maintenance/export-bundle'
import { retainedGenerations } from '@holdfast/generations/maintenance/mark-workspace'
import type { CommandSpec } from '../../command.ts'
import { counted, formatBytes, formatDuration } from '../../output/quantities.ts'
import { AT, DIR, requireRetained } from './parameters-of-dir.ts'

export const exportCommand: CommandSpec = {
  path: ['dir', 'export'],
  summary: 'Write generations as one portable file',
  notes:
    'The file holds all that a restore needs, each byte with its hash. The file of a sealed store is sealed with the ' +
    'same key.',
  arguments: [DIR, { name: 'FILE', presence: 'required', about: 'the file to make; it must not exist' }],
  options: [
    AT,
    { flags: '--all', about: 'every generation that can be restored, with its message and time' },
  ],
  examples: [
    { line: 'dir export ./project project.hold', shows: 'the newest generation' },
    { line: 'dir export ./project project.hold --all', shows: 'the whole history' },
  ],
  async run(context, given) {
    if (given.has('all') && given.option('at') !== undefined)
      throw new Failure('invalid-argument', 'either --at or --all, not both')
    const directory = await context.directory(given.argument('DIR'), 'reading')
    const { config, store, index, coding } = directory
    const generations = given.has('all')
      ? (await retainedGenerations(index, config.workspace)).toSorted((a, b) => a.sequence - b.sequence)
      : [requireRetained(await directory.find(given.option('at')))]
    const path = resolve(given.argument('FILE'))
    const { clock, randomness, traffic } = context
    const { unfinished } = directory.deps
    const deps = { store, index, coding, clock, randomness }
    let bytesTotal: number | undefined
    const onPlanned = (bytes: number) => {
      bytesTotal = traffic.bytesGot + bytes
    }
    const state = () => {
      const bytesDone = traffic.bytesGot
      return bytesTotal === undefined ? { bytesDone } : { bytesDone, bytesTotal }
    }
    const { result: exported, elapsedMs } = await context.timed('exporting', state, () =>
      exportBundle(deps, {
        org: config.org,
        generations,
        path,
        onPlanned,
        ...(unfinished ? { unfinished } : {}),
      }),
    )
    await context.output.show({
      text: () =>
        `Exported ${counted(exported.generations, 'generation')} to ${path}\n` +
        `  ${counted(exported.chunks, 'chunk')}, ${formatBytes(traffic.bytesGot)} read, in ${formatDuration(elapsedMs)}\n`,
      json: () => ({ path, ...exported, elapsedMs }),
      ids: () => [path],
    })
    return undefined
  },
}

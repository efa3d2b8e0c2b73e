import { forkDirectory } from '@holdfast/generations/directory/fork-directory'
import type { CommandSpec } from '../../command.ts'
import { counted, formatBytes, formatDuration } from '../../output/quantities.ts'
import { boundAway, noteBoundAway } from './bound-away.ts'
import { generationJson, generationName } from './generation-forms.ts'
import { AT, DIR, requireRetained } from './parameters-of-dir.ts'

export const forkCommand: CommandSpec = {
  path: ['dir', 'fork'],
  summary: 'Begin an independent directory with what another one holds',
  notes: 'Both share what is stored, and nothing else: what happens to one never shows in the other.',
  arguments: [DIR, { name: 'NEWDIR', presence: 'required', about: 'the new directory: absent or empty' }],
  options: [{ ...AT, otherwise: 'the present state, which is committed first' }],
  examples: [
    { line: 'dir fork ./project ./attempt', shows: 'try something on a copy of what is there now' },
    { line: 'dir fork ./project ./yesterday --at 12', shows: 'go on from number 12 elsewhere' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'writing')
    const at = given.option('at')
    const point = at === undefined ? undefined : requireRetained(await directory.find(at))
    const { traffic } = context
    const state = () => ({
      bytesDone: traffic.bytesGot + traffic.bytesPut,
      ...(point === undefined ? {} : { filesTotal: point.files }),
    })
    const request = { path: given.argument('NEWDIR'), ...(point === undefined ? {} : { generation: point }) }
    const { result, elapsedMs } = await context.timed('forking', state, () =>
      forkDirectory(directory, request),
    )
    const { config, generation, bound } = result
    const away = boundAway(bound, { path: config.path, writersPath: directory.config.path })
    await context.output.show({
      text: () =>
        `Forked ${directory.config.path} to ${config.path}, in ${formatDuration(elapsedMs)}\n` +
        `  ${generationName(generation)}, ${counted(generation.files, 'file')}, ${formatBytes(generation.bytes)}, ${config.volume} volume\n`,
      json: () => ({
        id: config.workspace,
        path: config.path,
        volume: config.volume,
        generation: generationJson(generation),
        recoverElsewhere: away,
        elapsedMs,
      }),
      ids: () => [config.workspace],
    })
    noteBoundAway(context, away)
    return undefined
  },
}

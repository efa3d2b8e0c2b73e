import { removeAside, rollbackDirectory } from '@holdfast/generations/directory/rollback-directory'
import type { CommandSpec } from '../../command.ts'
import { formatDuration } from '../../output/quantities.ts'
import { generationJson, generationName } from './generation-forms.ts'
import { DIR, requireRetained } from './parameters-of-dir.ts'

export const rollbackCommand: CommandSpec = {
  path: ['dir', 'rollback'],
  summary: 'Continue a directory from an older generation',
  notes:
    'What the directory holds now is committed first, and the old tree becomes a new generation: no history is lost, ' +
    'and a rollback can be rolled back. The directory changes at once, as a whole.',
  arguments: [DIR, { name: 'GEN', presence: 'required', about: 'its number, or the beginning of its id' }],
  options: [{ flags: '--force', about: 'take a btrfs volume away from processes that use it' }],
  examples: [{ line: 'dir rollback ./project 12', shows: 'go back to number 12' }],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'writing')
    const wanted = requireRetained(await directory.find(given.argument('GEN')))
    const { traffic } = context
    const state = () => ({ bytesDone: traffic.bytesGot + traffic.bytesPut, filesTotal: wanted.files })
    const { result: done, elapsedMs } = await context.timed('rolling back', state, () =>
      rollbackDirectory(directory, { generation: wanted, force: given.has('force') }),
    )
    const { generation, before } = done
    const back =
      before === null
        ? ''
        : `  what was there is ${generationName(before)}: \`hold dir rollback\` to it goes back\n`
    await context.output.show({
      text: () =>
        `Rolled back to ${generationName(wanted)}, in ${formatDuration(elapsedMs)}\n` +
        `  it is now ${generationName(generation)}\n${back}`,
      json: () => ({
        from: before && generationJson(before),
        to: generationJson(wanted),
        generation: generationJson(generation),
        elapsedMs,
      }),
      ids: () => [generation.id],
    })
    await removeAside(done)
    return undefined
  },
}

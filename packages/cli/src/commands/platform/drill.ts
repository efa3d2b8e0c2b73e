import type { CommandSpec } from '../../command.ts'
import { EXIT } from '../../exit-codes.ts'
import { documentOf } from '../../output/document.ts'
import { formatDuration, shortId } from '../../output/quantities.ts'
import { NAME } from '../workspace/parameters-of-workspaces.ts'

export const drillCommand: CommandSpec = {
  path: ['drill'],
  summary: 'Restore the newest generation of a workspace elsewhere and compare it',
  arguments: [NAME],
  options: [],
  examples: [{ line: 'drill box', shows: 'exits with 1 where it cannot be restored whole' }],
  async run(context, given) {
    const workspace = await context.workspace(given.argument('NAME'))
    const { result: drill } = await context.timed(
      'restoring',
      () => ({}),
      () => workspace.drill(),
    )
    const { outcome, generation, tookMs, detail } = drill
    await context.output.show({
      text: () =>
        `Generation ${shortId(generation)} is ${outcome}, in ${formatDuration(tookMs)}${detail === '' ? '' : `: ${detail}`}\n`,
      json: () => documentOf(drill),
      ids: () => [generation],
    })
    return outcome === 'verified' ? EXIT.ok : EXIT.failure
  },
}

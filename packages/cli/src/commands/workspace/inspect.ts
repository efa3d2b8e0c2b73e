import type { CommandSpec } from '../../command.ts'
import { documentOf } from '../../output/document.ts'
import { NAME } from './parameters-of-workspaces.ts'
import { nameOf, workspaceText } from './workspace-forms.ts'

export const inspectCommand: CommandSpec = {
  path: ['inspect'],
  summary: 'Show everything about a workspace',
  arguments: [NAME],
  options: [],
  examples: [
    { line: 'inspect box', shows: 'status, durability, limits, and what can be done next' },
    { line: 'inspect box -o yaml', shows: 'all fields of the API' },
  ],
  async run(context, given) {
    const { state } = await context.workspace(given.argument('NAME'))
    await context.output.show({
      text: () => workspaceText(state),
      json: () => documentOf(state),
      ids: () => [state.id],
      names: () => [nameOf(state)],
    })
    return undefined
  },
}

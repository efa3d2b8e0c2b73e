import type { CommandSpec } from '../../command.ts'
import { parseCount } from '../../parameters.ts'
import { eventLine } from '../workspace/event-forms.ts'

export const eventsCommand: CommandSpec = {
  path: ['events'],
  summary: 'Tell what happens in all workspaces as it happens, until Ctrl-C',
  arguments: [],
  options: [
    { flags: '--workspace <NAME>', about: 'only in this one' },
    { flags: '--type <TYPE>', about: 'only of this type, as exec_end; may be repeated', repeats: true },
    { flags: '--after <ID>', about: 'begin behind this event', otherwise: 'from now on' },
  ],
  examples: [
    { line: 'events', shows: 'one line an event' },
    { line: 'events --type exec_end -o json', shows: 'one JSON document a line' },
  ],
  async run(context, given) {
    const after = given.option('after')
    const named = given.option('workspace')
    const workspace = named === undefined ? undefined : await context.workspace(named)
    const followed = (await context.server()).events({
      topics: [
        ...(workspace === undefined ? [] : [`workspace:${workspace.id}`]),
        ...given.options('type').map((type) => `type:${type}`),
      ],
      after:
        after === undefined
          ? undefined
          : parseCount('--after', after, { min: 0, max: Number.MAX_SAFE_INTEGER }),
    })
    for await (const each of followed) {
      if (each.kind === 'event') await context.output.write(eventLine(each.event, context.output.mode))
      else context.output.note(`hold: events are missing here (${each.kind})`)
    }
    return undefined
  },
}

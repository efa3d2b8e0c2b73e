import type { WorkspaceState } from '@holdfast/client/workspace'
import type { CommandSpec } from '../../command.ts'
import { parseChoice, parsePairs } from '../../parameters.ts'
import { workspacesShown } from './workspace-forms.ts'

const STATUSES = ['provisioning', 'idle', 'busy', 'stopping', 'stopped', 'failed'] as const

export const listCommand: CommandSpec = {
  path: ['ls'],
  aliases: ['ps'],
  summary: 'List the workspaces',
  arguments: [],
  options: [
    { flags: '-a, --include-archived', about: 'archived ones too' },
    { flags: '--status <STATUS>', about: `only those that are ${STATUSES.join(', ')}` },
    {
      flags: '-l, --label <NAME=VALUE>',
      about: 'only those with that label; may be repeated',
      repeats: true,
    },
  ],
  examples: [
    { line: 'ls', shows: 'all of them, newest first' },
    { line: 'ls --status stopped -q', shows: 'the ids of those that are stopped, for a script' },
    { line: 'ls -o wide', shows: 'with host, epoch, isolation and labels' },
  ],
  async run(context, given) {
    const server = await context.server()
    const found = server.list({
      status: parseChoice('--status', given.option('status'), STATUSES),
      labels: parsePairs('--label', given.options('label')),
      includeArchived: given.has('includeArchived'),
    })
    const rows: WorkspaceState[] = []
    for await (const { state } of found) rows.push(state)
    await context.output.show(workspacesShown(rows, context))
    if (rows.length === 0) context.output.note('There is none: `hold create NAME` makes one.')
    return undefined
  },
}

import type { CommandSpec } from '../../command.ts'
import { EXEC_OPTIONS, NAME } from './parameters-of-workspaces.ts'
import { startOptionsOf, tellRefusal } from './remote-command.ts'
import { runOnTerminal } from './remote-terminal.ts'

/** The best shell that the system has. */
const SHELL = ['sh', '-c', 'if command -v bash >/dev/null; then exec bash -l; else exec sh -l; fi']

export const shellCommand: CommandSpec = {
  path: ['shell'],
  summary: 'Work in a workspace on a terminal',
  notes: 'Ctrl-D or `exit` ends the shell; the workspace stays.',
  arguments: [NAME],
  options: EXEC_OPTIONS,
  examples: [{ line: 'shell box', shows: 'bash, or sh where there is none' }],
  async run(context, given) {
    try {
      const workspace = await context.workspace(given.argument('NAME'))
      const options = startOptionsOf(given)
      return await runOnTerminal(context, workspace, { argv: SHELL, options, passInput: true })
    } catch (error) {
      return tellRefusal(context, error)
    }
  },
}

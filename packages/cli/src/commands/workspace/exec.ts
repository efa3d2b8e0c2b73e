import { Failure } from '@holdfast/base/failure'
import type { CommandSpec } from '../../command.ts'
import { documentOf } from '../../output/document.ts'
import { CMD, EXEC_OPTIONS, NAME } from './parameters-of-workspaces.ts'
import { runRemote, startOptionsOf, startRemote, tellRefusal } from './remote-command.ts'

export const execCommand: CommandSpec = {
  path: ['exec'],
  summary: 'Run a command in a workspace',
  notes:
    'Output, piped input, signals and the exit code are passed on; a stopped workspace is resumed first. Options stand ' +
    'before --, everything behind it is the command, word by word. The second Ctrl-C leaves the command running.',
  arguments: [NAME, CMD],
  options: [
    ...EXEC_OPTIONS,
    { flags: '-i, --interactive', about: 'pass on what is typed; what is piped in is passed on anyway' },
    { flags: '-t, --tty', about: 'run it on a terminal' },
    {
      flags: '-d, --detach',
      about: 'start it, print its id and return: `hold logs NAME --exec ID -f` shows its output',
    },
    { flags: '--no-resume', about: 'fail if the workspace is stopped' },
  ],
  examples: [
    { line: 'exec box -- make test', shows: 'run the tests, and exit as they do' },
    {
      line: 'exec -e CI=1 -w src --timeout 10m box -- npm ci',
      shows: 'with a variable, elsewhere, for ten minutes at most',
    },
    { line: 'exec -it box -- python3', shows: 'work with a program on a terminal' },
  ],
  async run(context, given) {
    const argv = given.rest('CMD')
    if (argv.length === 0)
      throw new Failure(
        'invalid-argument',
        'no command: hold exec NAME -- CMD; `hold shell NAME` opens a shell',
      )
    const command = {
      argv,
      options: { ...startOptionsOf(given), resume: given.has('resume') },
      passInput: !context.terminal.isInputTerminal || given.has('interactive'),
      onTerminal: given.has('tty'),
    }
    try {
      const workspace = await context.workspace(given.argument('NAME'))
      if (!given.has('detach')) return await runRemote(context, workspace, command)
      const { state } = await startRemote(workspace, { ...command, passInput: false })
      await context.output.show({
        text: () => `${state.id}\n`,
        json: () => documentOf(state),
        ids: () => [state.id],
      })
      return undefined
    } catch (error) {
      return tellRefusal(context, error)
    }
  },
}

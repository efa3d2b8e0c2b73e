import { Failure } from '@holdfast/base/failure'
import type { ActivityEvent } from '@holdfast/client/events'
import type { ExecState } from '@holdfast/client/exec-result'
import type { Workspace } from '@holdfast/client/workspace'
import type { CommandSpec } from '../../command.ts'
import { EXIT } from '../../exit-codes.ts'
import type { Context } from '../../open-context.ts'
import { eventLine } from './event-forms.ts'
import { NAME } from './parameters-of-workspaces.ts'
import { follow } from './remote-command.ts'

export const logsCommand: CommandSpec = {
  path: ['logs'],
  summary: 'Show what happened in a workspace, or what a command of it wrote',
  arguments: [NAME],
  options: [
    { flags: '-f, --follow', about: 'go on with what happens' },
    { flags: '-x, --exec <ID>', about: 'the output of this command; last: of the newest' },
  ],
  examples: [
    { line: 'logs box', shows: 'its activity' },
    { line: 'logs box -f --exec last', shows: 'what the newest command writes, until it ends' },
  ],
  async run(context, given) {
    const workspace = await context.workspace(given.argument('NAME'))
    const exec = given.option('exec')
    if (exec !== undefined)
      return await showOutput(context, workspace, { exec, follows: given.has('follow') })
    await showActivity(context, workspace, given.has('follow'))
    return undefined
  },
}

async function showOutput(
  context: Context,
  workspace: Workspace,
  asked: { readonly exec: string; readonly follows: boolean },
): Promise<number> {
  const running = await workspace.execs.connect(asked.exec === 'last' ? await newest(workspace) : asked.exec)
  if (asked.follows) {
    await follow(context, running)
    return EXIT.ok
  }
  const until = running.state.lastSequence
  if (until === 0) return EXIT.ok
  for await (const piece of running.output()) {
    if (piece.stream === 'stderr') await context.output.writeThrough(piece.bytes)
    else await context.output.write(piece.bytes)
    if (piece.sequence >= until) break
  }
  return EXIT.ok
}

async function newest({ execs, state }: Workspace): Promise<string> {
  for await (const { id } of execs.list() as AsyncIterable<ExecState>) return id
  throw new Failure('not-found', `no command has run in ${state.name ?? state.id}`)
}

async function showActivity(context: Context, workspace: Workspace, follows: boolean): Promise<void> {
  let last = 0
  const tell = async (event: ActivityEvent) => {
    last = event.id
    await context.output.write(eventLine(event, context.output.mode))
  }
  for await (const event of workspace.activity()) await tell(event)
  if (!follows) return
  for await (const each of workspace.events({ after: last }))
    if (each.kind === 'event') await tell(each.event)
}

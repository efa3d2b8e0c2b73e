import type { CommandSpec, Given } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { documentOf } from '../../output/document.ts'
import { formatDuration } from '../../output/quantities.ts'
import { parseDurationMs } from '../../parameters.ts'
import { findHost } from '../platform/find-host.ts'
import { NAME } from './parameters-of-workspaces.ts'
import { nameOf } from './workspace-forms.ts'

export const handoffCommand: CommandSpec = {
  path: ['handoff'],
  summary: 'Move a running workspace to another host, with nothing lost',
  notes:
    'Its files are copied while it runs on; then its commands end, the rest is committed, and a fresh sandbox starts ' +
    'there. Services start again; other commands do not.',
  arguments: [NAME],
  options: [
    { flags: '--to <HOST>', about: 'name or id of the host', otherwise: 'the server chooses' },
    { flags: '--drain <TIME>', about: 'give commands so long to end by themselves', otherwise: '0s' },
  ],
  examples: [{ line: 'handoff box --to b', shows: 'and how long it stood still' }],
  async run(context, given) {
    const workspace = await context.workspace(given.argument('NAME'))
    const options = await optionsOf(context, given)
    const { result } = await context.timed(
      `handing off ${nameOf(workspace.state)}`,
      () => ({}),
      () => workspace.handoff(options),
    )
    const { pauseMs, preCopyMs } = result
    await context.output.show({
      text: () =>
        `Workspace ${nameOf(workspace.state)} moved. It stood still for ${formatDuration(pauseMs)}.\n`,
      json: () => ({ workspace: documentOf(workspace.state), pauseMs, preCopyMs }),
      ids: () => [workspace.id],
    })
    return undefined
  },
}

async function optionsOf(context: Context, given: Given) {
  const to = given.option('to')
  const drain = given.option('drain')
  return {
    ...(to === undefined ? {} : { hostId: (await findHost(context, to)).id }),
    ...(drain === undefined
      ? {}
      : { drainMs: parseDurationMs('--drain', drain, { minMs: 0, maxMs: 3_600_000 }) }),
  }
}

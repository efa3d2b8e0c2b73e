import type { HostState } from '@holdfast/client/platform'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { documentOf } from '../../output/document.ts'
import { formatBytes, formatInstant } from '../../output/quantities.ts'
import { type Column, formatTable } from '../../output/table.ts'
import { findHost } from './find-host.ts'

const COLUMNS: readonly Column<HostState>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'STATUS', cell: ({ status }) => status },
  {
    title: 'WORKSPACES',
    align: 'right',
    cell: ({ workspaces, capacity }) => `${workspaces} of ${capacity.workspacesMax}`,
  },
  { title: 'ISOLATION', cell: ({ runtimes }) => runtimes.map(({ kind }) => kind).join(', ') },
  { title: 'VOLUME', drops: true, cell: ({ volume }) => volume },
  {
    title: 'DISK FREE',
    align: 'right',
    drops: true,
    cell: ({ capacity }) => formatBytes(capacity.diskFreeBytes),
  },
  { title: 'SEEN', drops: true, cell: ({ lastSeenAt }) => formatInstant(lastSeenAt) },
  { title: 'ID', shrinks: true, cell: ({ id }) => id },
]

async function show(context: Context, rows: readonly HostState[]): Promise<void> {
  await context.output.show({
    text: () => formatTable(COLUMNS, rows, context.output),
    json: () => rows.map(documentOf),
    ids: () => rows.map(({ id }) => id),
    names: () => rows.map(({ name }) => name),
  })
}

export const hostsListCommand: CommandSpec = {
  path: ['hosts', 'ls'],
  isDefault: true,
  summary: 'List the machines that run workspaces',
  arguments: [],
  options: [],
  examples: [{ line: 'hosts ls', shows: 'each with its room and what it isolates by' }],
  async run(context) {
    const rows: HostState[] = []
    for await (const host of (await context.server()).platform.hosts()) rows.push(host)
    await show(context, rows)
    return undefined
  },
}

export const hostsDrainCommand: CommandSpec = {
  path: ['hosts', 'drain'],
  summary: 'Hand every workspace of a host off to others, with nothing lost',
  arguments: [{ name: 'HOST', presence: 'required', about: 'name or id of the host' }],
  options: [],
  examples: [{ line: 'hosts drain HOST', shows: 'before it is switched off' }],
  async run(context, given) {
    const { platform } = await context.server()
    await show(context, [await platform.drainHost((await findHost(context, given.argument('HOST'))).id)])
    return undefined
  },
}

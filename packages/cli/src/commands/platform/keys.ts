import type { KeyState } from '@holdfast/client/platform'
import { SCOPES } from '@holdfast/protocol/endpoints'
import type { CommandSpec } from '../../command.ts'
import { documentOf } from '../../output/document.ts'
import { formatInstant } from '../../output/quantities.ts'
import { formatTable } from '../../output/table.ts'
import { parseDurationMs } from '../../parameters.ts'
import { DAY_MS } from '../workspace/parameters-of-workspaces.ts'

const EXPIRY_DAYS_MAX = 3650

export const keysListCommand: CommandSpec = {
  path: ['keys', 'ls'],
  isDefault: true,
  summary: 'List the keys of this server, without their secrets',
  arguments: [],
  options: [],
  examples: [{ line: 'keys ls', shows: 'each with its scopes' }],
  async run(context) {
    const rows: KeyState[] = []
    for await (const key of (await context.server()).platform.keys()) rows.push(key)
    const instant = (at: number | null) => (at === null ? '-' : formatInstant(at))
    await context.output.show({
      text: () =>
        formatTable<KeyState>(
          [
            { title: 'NAME', cell: ({ name }) => name },
            { title: 'ID', cell: ({ id }) => id },
            { title: 'CREATED', drops: true, cell: ({ createdAt }) => formatInstant(createdAt) },
            { title: 'EXPIRES', cell: ({ expiresAt }) => instant(expiresAt) },
            { title: 'LAST USED', drops: true, cell: ({ lastUsedAt }) => instant(lastUsedAt) },
            { title: 'SCOPES', shrinks: true, cell: ({ scopes }) => scopes.join(' ') },
          ],
          rows,
          context.output,
        ),
      json: () => rows.map(documentOf),
      ids: () => rows.map(({ id }) => id),
      names: () => rows.map(({ name }) => name),
    })
    return undefined
  },
}

export const keysCreateCommand: CommandSpec = {
  path: ['keys', 'create'],
  summary: 'Make a key; its secret is printed once and never again',
  arguments: [{ name: 'LABEL', presence: 'required', about: 'what it is for' }],
  options: [
    {
      flags: '-s, --scope <SCOPE>',
      about: `what it may do; may be repeated: ${SCOPES.join(', ')}`,
      otherwise: 'all of it',
      repeats: true,
    },
    { flags: '--expires <TIME>', about: 'it ends after so long, as 30d', otherwise: 'never' },
  ],
  examples: [
    { line: 'keys create ci -s workspace:read -s exec:write --expires 30d', shows: 'one that can do little' },
    { line: 'keys create laptop -q', shows: 'prints only the secret' },
  ],
  async run(context, given) {
    const scopes = given.options('scope')
    const expires = given.option('expires')
    const created = await (await context.server()).platform.createKey({
      name: given.argument('LABEL'),
      scopes: scopes.length === 0 ? SCOPES : scopes,
      ...(expires === undefined
        ? {}
        : {
            expiresInMs: parseDurationMs('--expires', expires, {
              minMs: 1000,
              maxMs: EXPIRY_DAYS_MAX * DAY_MS,
            }),
          }),
    })
    await context.output.show({
      text: () => `${created.secret}\n`,
      json: () => documentOf(created),
      ids: () => [created.secret],
    })
    context.output.note(`Key ${created.key.id}: keep the secret, it is not shown again.`)
    return undefined
  },
}

export const keysRemoveCommand: CommandSpec = {
  path: ['keys', 'rm'],
  summary: 'Withdraw a key at once',
  arguments: [{ name: 'KEY', presence: 'required', about: 'its id' }],
  options: [],
  examples: [{ line: 'keys rm KEY', shows: 'whoever uses it is refused from now on' }],
  async run(context, given) {
    await (await context.server()).platform.removeKey(given.argument('KEY'))
    return undefined
  },
}

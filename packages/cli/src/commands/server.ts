import { readFileSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'
import { startRole } from '@holdfast/server/roles/start-role'
import { parseSettings } from '@holdfast/server/settings'
import type { CommandSpec } from '../command.ts'
import { interrupted } from '../interruption.ts'

export const serverCommand: CommandSpec = {
  path: ['server'],
  summary: 'Run one role of an installation that spans machines',
  notes:
    'A role is lease, control, host or gateway; docs/cluster.md shows the settings of each. They are one JSON document, ' +
    'and an unknown setting is refused. Ends at SIGTERM, a host after last commits.',
  arguments: [{ name: 'SETTINGS', presence: 'required', about: 'a JSON file with the settings of the role' }],
  options: [],
  examples: [{ line: 'server /etc/holdfast/host.json', shows: 'a host that joins an installation' }],
  async run(context, given) {
    const settings = parseSettings(readSettings(given.argument('SETTINGS')))
    const ending = new AbortController()
    const told = interrupted(context.signals).then(() => ending.abort())
    await using role = await startRole(settings, ending.signal)
    await context.output.show({
      text: () =>
        `${settings.role}  ${role.address}${role.publicUrl === null ? '' : `  ${role.publicUrl}`}\n`,
      json: () => ({ role: settings.role, address: role.address, publicUrl: role.publicUrl }),
      ids: () => [role.address],
    })
    await told
    return undefined
  },
}

function readSettings(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Failure('invalid-argument', `${path} holds no settings: ${reason}`, { path }, error)
  }
}

import { Failure } from '@holdfast/base/failure'
import type { ServiceState } from '@holdfast/client/serving'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { documentOf } from '../../output/document.ts'
import { formatTable } from '../../output/table.ts'
import { parseChoice, parsePairs } from '../../parameters.ts'
import { CMD, NAME } from './parameters-of-workspaces.ts'
import { parsePort } from './serve.ts'

const SERVICE = {
  name: 'SERVICE',
  presence: 'required',
  about: 'its name: at most 32 of a-z, 0-9 and -',
} as const

async function show(context: Context, rows: readonly ServiceState[]): Promise<void> {
  await context.output.show({
    text: () =>
      formatTable<ServiceState>(
        [
          { title: 'SERVICE', cell: ({ name }) => name },
          { title: 'STATUS', cell: ({ status }) => status },
          { title: 'PORT', align: 'right', cell: ({ port }) => (port === undefined ? '-' : String(port)) },
          { title: 'RESTARTS', align: 'right', cell: ({ restarts }) => String(restarts) },
          { title: 'COMMAND', shrinks: true, cell: ({ argv }) => argv.join(' ') },
        ],
        rows,
        context.output,
      ),
    json: () => rows.map(documentOf),
    ids: () => rows.map(({ name }) => name),
  })
}

export const servicesListCommand: CommandSpec = {
  path: ['services', 'ls'],
  isDefault: true,
  summary: 'List the services of a workspace',
  arguments: [NAME],
  options: [],
  examples: [{ line: 'services ls box', shows: 'each with its health' }],
  async run(context, given) {
    const { services } = await context.workspace(given.argument('NAME'))
    await show(context, await services.list())
    return undefined
  },
}

export const servicesAddCommand: CommandSpec = {
  path: ['services', 'add'],
  summary: 'Keep a command running: it is started again after its end and on resume',
  arguments: [NAME, SERVICE, CMD],
  options: [
    { flags: '-p, --port <PORT>', about: 'healthy once this port accepts' },
    { flags: '--health-path <PATH>', about: 'healthy once a GET of it answers below 500' },
    { flags: '--restart <WHEN>', about: 'always, on-failure or never', otherwise: 'always' },
    {
      flags: '-e, --env <NAME=VALUE>',
      about: 'a variable of its environment; may be repeated',
      repeats: true,
    },
    { flags: '-w, --workdir <DIR>', about: 'where it runs', otherwise: '/workspace' },
  ],
  examples: [
    { line: 'services add -p 8080 box web -- node server.js', shows: 'a service that is called web' },
  ],
  async run(context, given) {
    const argv = [...given.rest('CMD')]
    if (argv.length === 0)
      throw new Failure('invalid-argument', 'no command: hold services add NAME SERVICE -- CMD')
    const { services } = await context.workspace(given.argument('NAME'))
    const port = given.option('port')
    const healthPath = given.option('healthPath')
    const service = await services.create({
      name: given.argument('SERVICE'),
      argv,
      cwd: given.option('workdir'),
      environment: parsePairs('--env', given.options('env')),
      restart: parseChoice('--restart', given.option('restart'), ['always', 'on-failure', 'never']),
      ...(port === undefined ? {} : { port: parsePort(port) }),
      ...(healthPath === undefined ? {} : { healthPath }),
    })
    await show(context, [service])
    return undefined
  },
}

export const servicesRemoveCommand: CommandSpec = {
  path: ['services', 'rm'],
  summary: 'End a service and forget it',
  arguments: [NAME, SERVICE],
  options: [],
  examples: [{ line: 'services rm box web', shows: 'it is not started again' }],
  async run(context, given) {
    const { services } = await context.workspace(given.argument('NAME'))
    await services.remove(given.argument('SERVICE'))
    return undefined
  },
}

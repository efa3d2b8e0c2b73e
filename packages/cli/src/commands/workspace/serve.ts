import { Failure } from '@holdfast/base/failure'
import type { ExposureState } from '@holdfast/client/serving'
import type { CommandSpec } from '../../command.ts'
import { documentOf } from '../../output/document.ts'
import { formatInstant } from '../../output/quantities.ts'
import { formatTable } from '../../output/table.ts'
import { parseChoice, parseCount, parseDurationMs } from '../../parameters.ts'
import { DAY_MS, NAME } from './parameters-of-workspaces.ts'

const ACCESSES = ['private', 'org', 'public'] as const
const LINK_DAYS_MAX = 30
const PORT = { name: 'PORT', presence: 'required', about: 'the port that is served inside' } as const

export function parsePort(text: string): number {
  return parseCount('PORT', text, { min: 1, max: 65_535 })
}

export const exposeCommand: CommandSpec = {
  path: ['expose'],
  summary: 'Give a port of a workspace an URL, or take it back; without a port list them',
  arguments: [NAME, { ...PORT, presence: 'optional' }],
  options: [
    { flags: '--access <WHO>', about: 'private, org or public', otherwise: 'private' },
    { flags: '--rm', about: 'take the URL back' },
  ],
  examples: [
    { line: 'expose box 8080', shows: 'an URL for port 8080' },
    { line: 'expose box', shows: 'the ports that have one' },
  ],
  async run(context, given) {
    const { exposures } = await context.workspace(given.argument('NAME'))
    const named = given.optionalArgument('PORT')
    const port = named === undefined ? undefined : parsePort(named)
    if (given.has('rm')) {
      if (port === undefined) throw new Failure('invalid-argument', 'which port: hold expose NAME PORT --rm')
      await exposures.close(port)
      return undefined
    }
    const access = parseChoice('--access', given.option('access'), ACCESSES)
    const rows = port === undefined ? await exposures.list() : [await exposures.open(port, { access })]
    await context.output.show({
      text: () =>
        formatTable<ExposureState>(
          [
            { title: 'PORT', align: 'right', cell: (row) => String(row.port) },
            { title: 'ACCESS', cell: (row) => row.access },
            { title: 'URL', cell: ({ url }) => url },
          ],
          rows,
          context.output,
        ),
      json: () => (port === undefined ? rows.map(documentOf) : documentOf(rows[0])),
      ids: () => rows.map(({ url }) => url),
    })
    return undefined
  },
}

export const urlCommand: CommandSpec = {
  path: ['url'],
  summary: 'Print the URL of a port, which is given one if it has none',
  arguments: [NAME, PORT],
  options: [{ flags: '--share <TIME>', about: 'a link that lets whoever has it in for so long, as 1h' }],
  examples: [
    { line: 'url box 8080', shows: 'for a browser or curl' },
    { line: 'url box 8080 --share 1h', shows: 'a link to pass on' },
  ],
  async run(context, given) {
    const workspace = await context.workspace(given.argument('NAME'))
    const port = parsePort(given.argument('PORT'))
    const share = given.option('share')
    const url = await workspace.url(port)
    if (share === undefined) {
      await context.output.show({ text: () => `${url}\n`, json: () => ({ url }), ids: () => [url] })
      return undefined
    }
    const expiresInMs = parseDurationMs('--share', share, { minMs: 1000, maxMs: LINK_DAYS_MAX * DAY_MS })
    const link = await workspace.exposures.createLink(port, { expiresInMs })
    await context.output.show({
      text: () => `${link.url}\n`,
      json: () => documentOf(link),
      ids: () => [link.url],
    })
    context.output.note(`Valid until ${formatInstant(link.expiresAt)}.`)
    return undefined
  },
}

export const deployCommand: CommandSpec = {
  path: ['deploy'],
  summary: 'Keep an app running, name its state, and give it a public URL that wakes it',
  arguments: [NAME],
  options: [
    { flags: '--service <CMD>', about: 'the command that serves, as one line for sh' },
    { flags: '-p, --port <PORT>', about: 'the port that it serves' },
    { flags: '--name <SERVICE>', about: 'name of the service', otherwise: 'app' },
    { flags: '--access <WHO>', about: 'private, org or public', otherwise: 'public' },
  ],
  examples: [{ line: "deploy box --service 'node server.js' --port 8080", shows: 'prints its URL' }],
  async run(context, given) {
    const service = given.option('service')
    const port = given.option('port')
    if (service === undefined || port === undefined)
      throw new Failure('invalid-argument', 'hold deploy NAME --service CMD --port PORT')
    const workspace = await context.workspace(given.argument('NAME'))
    const { result: deployed } = await context.timed(
      'deploying',
      () => ({}),
      () =>
        workspace.deploy({
          service,
          port: parsePort(port),
          access: parseChoice('--access', given.option('access'), ACCESSES),
          name: given.option('name'),
        }),
    )
    const { url } = deployed.exposure
    await context.output.show({ text: () => `${url}\n`, json: () => documentOf(deployed), ids: () => [url] })
    return undefined
  },
}

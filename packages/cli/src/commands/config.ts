import type { CommandSpec } from '../command.ts'
import type { Config } from '../config.ts'
import { formatTable } from '../output/table.ts'

export const configCommand: CommandSpec = {
  path: ['config'],
  summary: 'Show the effective settings and where each came from',
  arguments: [],
  options: [],
  examples: [
    { line: 'config', shows: 'every setting' },
    { line: 'config -o json', shows: 'the same for a program; secrets are not in it' },
  ],
  async run(context) {
    const rows = settingsOf(context.config)
    await context.output.show({
      text: () =>
        formatTable<SettingRow>(
          [
            { title: 'SETTING', cell: ({ name }) => name },
            { title: 'VALUE', cell: ({ value }) => (value === null ? '-' : String(value)) },
            { title: 'FROM', cell: ({ from }) => from },
            { title: 'SET BY', cell: ({ setBy }) => setBy },
          ],
          rows,
          context.output,
        ),
      json: () => Object.fromEntries(rows.map(({ name, value, from }) => [name, { value, from }])),
      ids: () => rows.map(({ name, value }) => `${name}=${value ?? ''}`),
    })
    return undefined
  },
}

interface SettingRow {
  readonly name: string
  readonly value: string | number | boolean | null
  readonly from: string
  /** The environment variable that changes it. */
  readonly setBy: string
}

const VARIABLES: Readonly<Record<keyof Config, string>> = {
  url: 'HOLDFAST_URL; else server.json in the home, which `hold up` writes',
  apiKey: 'HOLDFAST_API_KEY; else server.json in the home, which `hold up` writes',
  home: 'HOLDFAST_HOME',
  store: 'HOLDFAST_STORE',
  s3Region: 'AWS_REGION',
  s3Endpoint: 'AWS_ENDPOINT_URL_S3',
  s3Credentials: 'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; else AWS_PROFILE and the like',
  threads: 'HOLDFAST_THREADS',
  colours: 'NO_COLOR',
  debug: 'HOLDFAST_DEBUG',
}

function settingsOf(config: Config): SettingRow[] {
  const row = (name: keyof Config): SettingRow => ({
    name,
    value: config[name].value,
    from: config[name].from,
    setBy: VARIABLES[name],
  })
  return [
    row('url'),
    row('apiKey'),
    row('home'),
    row('store'),
    row('s3Region'),
    row('s3Endpoint'),
    row('s3Credentials'),
    row('threads'),
    row('colours'),
    row('debug'),
  ]
}

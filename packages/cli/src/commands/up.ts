import type { RuntimeKind } from '@holdfast/protocol/sandbox-spec'
import type { UpOptions } from '@holdfast/server/installation'
import { RunningInstallation } from '@holdfast/server/supervisor/running-installation'
import type { RoleChange } from '@holdfast/server/supervisor/supervised-role'
import type { CommandSpec, Given } from '../command.ts'
import { sandboxLine, weakerWarning } from '../doctor/sandbox-line.ts'
import { interrupted } from '../interruption.ts'
import type { Context } from '../open-context.ts'
import { parseDurationMs } from '../parameters.ts'

const API_DEFAULT = '127.0.0.1:7400'
const APPS_DEFAULT = '127.0.0.1:7401'
const GRACE_DEFAULT = '30s'
const GRACE_BOUNDS = { minMs: 0, maxMs: 3_600_000 }

export const upCommand: CommandSpec = {
  path: ['up'],
  summary: 'Run everything on this box: API, leases, a host, a gateway',
  notes:
    'Each role is a process of its own and is started again if it ends. The key of the first user is made at the first ' +
    'start; on this box the other commands find it by themselves. Ends at Ctrl-C, after a last commit of every workspace ' +
    'that runs.',
  arguments: [],
  options: [
    { flags: '--api <HOST:PORT>', about: 'where the API listens', otherwise: API_DEFAULT },
    { flags: '--apps <HOST:PORT>', about: 'where served apps are reached', otherwise: APPS_DEFAULT },
    {
      flags: '--store <ADDRESS>',
      about: 'where generations are kept: a folder or s3://…',
      otherwise: 'in HOLDFAST_HOME',
    },
    {
      flags: '--database <ADDRESS>',
      about: 'postgres://… or sqlite:/path',
      otherwise: 'SQLite in HOLDFAST_HOME',
    },
    {
      flags: '--runtime <KIND>',
      about: 'what makes sandboxes',
      otherwise: 'the strongest that works here',
      choices: ['runc', 'runsc', 'bwrap', 'none'],
    },
    {
      flags: '--volume <KIND>',
      about: 'where workspaces live',
      otherwise: 'btrfs where that works',
      choices: ['btrfs', 'live'],
    },
    {
      flags: '--registry <HOST[:PORT]>',
      about: 'a registry of images that may be at an address which is not public; may be repeated',
      repeats: true,
    },
    {
      flags: '--grace <DURATION>',
      about: 'how long last commits may take at the end',
      otherwise: GRACE_DEFAULT,
    },
  ],
  examples: [
    { line: 'up', shows: 'the first minute: then `hold create demo` in another terminal' },
    { line: 'up --store s3://bucket/holdfast', shows: 'generations outlive this box' },
  ],
  async run(context, given) {
    const running = await start(context, given)
    try {
      await report(context, running)
      await interrupted(context.signals)
      context.output.note('hold: ending; the last generations are committed')
    } finally {
      await running[Symbol.asyncDispose]()
    }
    return undefined
  },
}

async function start(context: Context, given: Given): Promise<RunningInstallation> {
  const { clock, randomness, output } = context
  const onChange = (change: RoleChange) => output.note(describe(change))
  return await RunningInstallation.start({ clock, randomness, onChange }, optionsOf(context, given))
}

function optionsOf(context: Context, given: Given): UpOptions {
  const runtime = given.option('runtime') as RuntimeKind | undefined
  return {
    home: context.config.home.value,
    api: given.option('api') ?? API_DEFAULT,
    apps: given.option('apps') ?? APPS_DEFAULT,
    store: given.option('store') ?? null,
    database: given.option('database') ?? null,
    // Without isolation only where a person asks for it.
    runtimes: runtime === undefined ? ['runc', 'bwrap'] : [runtime],
    volume: (given.option('volume') as UpOptions['volume'] | undefined) ?? 'auto',
    registries: given.options('registry'),
    graceMs: parseDurationMs('--grace', given.option('grace') ?? GRACE_DEFAULT, GRACE_BOUNDS),
  }
}

function describe(change: RoleChange): string {
  if (change.kind === 'ready') return `hold: ${change.role} is ready (process ${change.pid})`
  return `hold: ${change.role} ended (${change.how}); started again in ${change.restartMs} ms`
}

async function report(context: Context, running: RunningInstallation): Promise<void> {
  const { url, appsUrl } = running
  const offer = { ...running.offer, isRoot: context.isRoot }
  const warning = weakerWarning(offer, offer.refused)
  if (warning !== null) context.output.note(`hold: ${warning}`)
  await context.output.show({
    text: () =>
      `API    ${url}\nAdmin  ${url}/admin\nApps   ${appsUrl}\n${sandboxLine(offer)}\n\nNext, in another terminal:  hold create demo -- echo hello\n`,
    json: () => ({ url, appsUrl, ...running.offer, warning }),
    ids: () => [url],
  })
}

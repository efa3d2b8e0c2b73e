import { ExposureLinks } from '@holdfast/base/exposure-link'
import { RpcHistories } from '@holdfast/control/adapters/rpc-histories'
import { RpcHostLinks } from '@holdfast/control/adapters/rpc-host-links'
import { startControlRole } from '@holdfast/control/control-role'
import type { ExposureSettings } from '@holdfast/control/operations/context'
import type { Store } from '@holdfast/control/ports/store'
import { RpcServer } from '@holdfast/rpc/rpc-server'
import type { RunningRole } from '../running-role.ts'
import type { SettingsOf } from '../settings.ts'
import { parseDatabaseAddress } from './database-address.ts'
import { parseListen } from './listen.ts'
import { defectLog } from './log-defect.ts'
import { readKey } from './read-key.ts'
import type { RoleGround } from './role-ground.ts'

const HEARTBEAT_MS = 1000
const EVENTS_DAYS = 30
const DAY_MS = 86_400_000
/** Leases decide who runs what; this only says what people read of a host. */
const HOST_SILENCE_MS = 10_000

export async function startControl(
  ground: RoleGround,
  settings: SettingsOf<'control'>,
): Promise<RunningRole> {
  await using stack = new AsyncDisposableStack()
  const clusterKey = readKey(settings.clusterKeyFile)
  const onDefect = defectLog(ground.log)
  const store = stack.use(await openStore(settings.database))
  const histories = stack.use(new RpcHistories({ address: settings.lease, clusterKey }))
  const rpc = stack.use(await RpcServer.listen({ address: settings.listen, clusterKey, onDefect }))
  const role = stack.use(
    await startControlRole({
      ...ground,
      store,
      histories,
      links: stack.use(new RpcHostLinks(clusterKey)),
      settings: {
        hostNames: hostNames(settings),
        keyPepper: clusterKey,
        hostSilenceMs: settings.hostSilenceMs ?? HOST_SILENCE_MS,
        heartbeatMs: HEARTBEAT_MS,
        exposures: exposuresAt(settings),
        idleTimeoutMsDefault: null,
        isolationMinDefault: settings.isolationMin ?? 'shared-kernel',
        eventsKeptMs: (settings.retention?.eventsDays ?? EVENTS_DAYS) * DAY_MS,
      },
      rpc,
      apiAddress: `http://${settings.api}`,
      adminKeyPath: settings.adminKeyFile,
      onDefect,
    }),
  )
  const opened = stack.move()
  return {
    address: rpc.address,
    publicUrl: role.apiAddress,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Those of the settings, and the address itself, if it is one. */
function hostNames({ api, apiHosts }: SettingsOf<'control'>): readonly string[] {
  const { host } = parseListen(api)
  if (host === '0.0.0.0' || host === '::') return apiHosts
  return [...apiHosts, host.includes(':') ? `[${host}]` : host]
}

/** Only the database that is used is loaded. */
async function openStore(text: string): Promise<Store> {
  const address = parseDatabaseAddress(text)
  switch (address.kind) {
    case 'sqlite':
      return await (await import('@holdfast/control/adapters/sqlite-store')).SqliteStore.open(address.path)
    case 'postgres': {
      const { PostgresStore } = await import('@holdfast/control/adapters/postgres-store')
      return await PostgresStore.open({ connection: address.url })
    }
  }
}

function exposuresAt({ appsUrl, linkKeyFile }: SettingsOf<'control'>): ExposureSettings {
  const url = new URL(appsUrl)
  return {
    scheme: url.protocol === 'https:' ? 'https' : 'http',
    domain: url.hostname,
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    links: new ExposureLinks(Buffer.from(readKey(linkKeyFile))),
  }
}

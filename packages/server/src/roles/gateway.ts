import { startGateway } from '@holdfast/gateway/gateway'
import { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { RpcClients } from '@holdfast/rpc/rpc-clients'
import type { RunningRole } from '../running-role.ts'
import type { SettingsOf } from '../settings.ts'
import { parseListen } from './listen.ts'
import { defectLog } from './log-defect.ts'
import { readKey } from './read-key.ts'
import type { RoleGround } from './role-ground.ts'

export async function startGatewayRole(
  { clock, log }: RoleGround,
  settings: SettingsOf<'gateway'>,
): Promise<RunningRole> {
  await using stack = new AsyncDisposableStack()
  const clusterKey = readKey(settings.clusterKeyFile)
  const control = stack.use(
    new RpcClient(CONTROL_CALLS, { address: settings.control, clusterKey, unreachable: 'overloaded' }),
  )
  const hosts = stack.use(new RpcClients(HOST_CALLS, { clusterKey, unreachable: 'host-unreachable' }))
  const apps = new URL(settings.appsUrl)
  const listen = parseListen(settings.apps)
  stack.use(
    await startGateway({
      listen,
      domain: apps.hostname,
      scheme: apps.protocol === 'https:' ? 'https' : 'http',
      isBehindProxy: apps.protocol === 'https:',
      control,
      hosts: (address) => hosts.at(address),
      clock,
      linkKey: Buffer.from(readKey(settings.linkKeyFile)),
      onDefect: defectLog(log),
    }),
  )
  const opened = stack.move()
  return {
    address: settings.listen,
    publicUrl: settings.appsUrl,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

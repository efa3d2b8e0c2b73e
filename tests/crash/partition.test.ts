import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { HostNetworks } from './host-networks.ts'
import { Installation } from './installation.ts'
import { Ledger } from './ledger.ts'
import { assertApart, beginTicks } from './ticks.ts'

const HOSTS = ['a', 'b'] as const
const TEMPTATION_MS = 1_500

test('a host that is cut off stops by itself before another begins, and gives way when it is back', {
  timeout: 60_000,
}, async () => {
  using networks = new HostNetworks(HOSTS)
  await using installation = await Installation.start({
    hosts: HOSTS,
    grounds: Object.fromEntries(HOSTS.map((host) => [host, networks.groundOf(host)])),
    addresses: {
      lease: `http://${networks.centre}:7411`,
      control: `http://${networks.centre}:7410`,
      ...Object.fromEntries(HOSTS.map((host) => [host, `http://${networks.addressOf(host)}:7420`])),
    },
  })
  const workspace = await installation.client.create()
  const ledger = await Ledger.begin(workspace)
  const first = await beginTicks(installation, workspace)
  await ledger.sync()
  const host = installation.hostOf(workspace) ?? ''
  networks.cut(host)
  const deadlineMs = await installation.deadlineMs(workspace)
  await installation.recovered(workspace, first)
  await ledger.audit()
  const second = await beginTicks(installation, workspace)
  networks.heal(host)
  await delay(TEMPTATION_MS)
  assertApart(installation, workspace, { first, second, deadlineMs })
  await ledger.sync()
})

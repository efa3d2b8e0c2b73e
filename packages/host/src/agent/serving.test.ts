import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { ServiceSpec } from '@holdfast/protocol/service'
import { until } from '@holdfast/testkit/until'
import { type AgentForTest, HostWorld } from './host-world.fixture.ts'

const SERVER = `require('http').createServer((q, s) => s.end(q.url + ' ' + process.env.NAME)).listen(8080, '127.0.0.1')`

function web(changed: Partial<ServiceSpec> = {}): ServiceSpec {
  const argv = ['/run/holdfast/node', '-e', SERVER]
  const environment = { NAME: 'web' }
  return { name: 'web', argv, cwd: '/workspace', environment, restart: 'always', port: 8080, ...changed }
}

test('a service is served, and started again when it ends', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  const { epoch } = await agent.open({ services: [web({ healthPath: '/health' })] })
  const { workspace } = world
  const state = async () => (await agent.host.call('serviceStates', { workspace })).services[0]
  await until('it serves', async () => (await state())?.status === 'healthy')
  assert.deepEqual(await agent.host.call('listeningPorts', { workspace }), { ports: [8080] })
  assert.equal(await fetched(agent, { workspace, port: 8080, epoch }, '/hello'), '/hello web')
  await assert.rejects(fetched(agent, { workspace, port: 8080, epoch: epoch + 1 }, '/'), (error) =>
    isFailure(error, 'host-unreachable', 'lease-lost'),
  )
  await assert.rejects(fetched(agent, { workspace, port: 8081, epoch }, '/'))
  const exec = (await state())?.exec ?? ''
  await agent.host.call('deleteExec', { workspace, exec: exec as never, graceMs: 100 })
  await until('it has ended', async () => (await state())?.status === 'backing-off')
  await until('it serves again', async () => (await state())?.status === 'healthy')
  assert.equal((await state())?.restarts, 1)
  const { services } = await agent.host.call('setServices', { workspace, services: [] })
  assert.deepEqual(services, [])
  await until(
    'nobody listens',
    async () => (await agent.host.call('listeningPorts', { workspace })).ports.length === 0,
  )
  assert.deepEqual(world.reports, [], 'services are no commands of clients')
})

test('a service begins again with each sandbox', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  const once = web({ name: 'once', argv: ['sh', '-c', 'echo started >> log'], restart: 'never' })
  const { port: _none, ...spec } = once
  await agent.open({ services: [spec] })
  const { workspace } = world
  const ended = async () =>
    (await agent.host.call('serviceStates', { workspace })).services[0]?.status === 'ended'
  await until('the command ends', ended)
  const { generation } = await agent.sync()
  await agent.host.call('rollBack', { workspace, generation: generation.id })
  await until('the command ends', ended)
  assert.equal((await agent.shell('cat log')).text, 'started\nstarted\n')
})

test('user code syncs from inside', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  const { text, state } = await agent.shell('echo inside > a; /run/holdfast/hold sync')
  assert.equal(state.exitCode, 0, text)
  assert.match(text, /durable/)
  const { head } = await agent.facts()
  assert.equal((await world.leases.index.generation(head ?? '')).files, 1)
  assert.match((await agent.shell('/run/holdfast/hold status')).text, /generation \d+ \(/)
})

async function fetched(
  agent: AgentForTest,
  query: { workspace: string; port: number; epoch: number },
  path: string,
): Promise<string> {
  const socket = await agent.host.upgrade('/streams/port', query, 'holdfast-port')
  const asked = request({
    path,
    headers: { host: 'app', connection: 'close' },
    createConnection: () => socket as never,
  })
  asked.end()
  const [response] = await once(asked, 'response')
  let text = ''
  for await (const part of response) text += part
  return text
}

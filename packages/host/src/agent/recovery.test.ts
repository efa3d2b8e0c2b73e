import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { FaultyObjectStore } from '@holdfast/testkit/faulty-object-store'
import { until } from '@holdfast/testkit/until'
import { HostWorld, hostOf } from './host-world.fixture.ts'
import { findProcess, pidOneOf } from './processes.fixture.ts'

/** No other process of this machine sleeps so long. */
const UNIQUE = `600.${process.pid}`

test('an agent that is killed loses nothing that was synced', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const first = await world.agentProcess('host-a')
  await first.open()
  await first.shell('echo synced > a')
  await first.sync()
  const running = await first.start(['sleep', UNIQUE])
  assert.equal(running.exec.status, 'running')
  const sleeper = findProcess(`sleep ${UNIQUE}`)
  assert.equal(sleeper.length, 1)
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')

  const second = await world.agentProcess('host-a')
  assert.deepEqual(
    findProcess(`sleep ${UNIQUE}`),
    [],
    'what an earlier agent left is killed before this one serves',
  )
  await until('it is recovered', async () => {
    try {
      return (await second.open()).state === 'running'
    } catch (error) {
      if (isFailure(error, 'lease-held')) return false
      throw error
    }
  })
  assert.equal((await second.shell('cat a')).text, 'synced\n')
  const lost = await second.host.call('execState', {
    workspace: world.workspace,
    exec: running.exec.id,
    waitMs: 0,
  })
  assert.deepEqual([lost.status, lost.reason], ['lost', 'node_lost'])
  assert.ok(world.reports.some(({ exec }) => exec.id === running.exec.id && exec.status === 'lost'))
})

test('a sandbox that is killed from outside leaves its files durable', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  const opened = await agent.open()
  await agent.shell('echo last > a')
  const { exec } = await agent.start(['sh', '-c', `exec sleep ${UNIQUE}`])
  process.kill(pidOneOf(findProcess(`sleep ${UNIQUE}`)[0] ?? 0), 'SIGKILL')
  await until('its sandbox is gone', async () => (await agent.facts()).state === 'sandbox-gone')
  await until('why is told', async () => (await agent.facts()).failure?.code === 'sandbox-gone')
  const ended = await agent.host.call('execState', {
    workspace: world.workspace,
    exec: exec.id,
    waitMs: 1000,
  })
  assert.deepEqual([ended.status, ended.reason], ['lost', 'node_lost'])
  const { registry } = world.leases
  const holder = async () => (await registry.leaseStates({ workspaces: [world.workspace] })).states[0]?.host
  await until('its lease is given back', async () => (await holder()) === null)
  assert.equal((await agent.facts()).epoch, opened.epoch, 'it is told of the run that ended')
  const outcome = await agent.close()
  assert.equal(outcome.kind, 'saved')
  await agent.open()
  assert.equal((await agent.shell('cat a')).text, 'last\n')
})

test('a workspace whose lease is taken is killed, and commits nothing more', {
  timeout: 60_000,
}, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  const opened = await agent.open()
  await agent.shell('echo one > a')
  const { generation } = await agent.sync()
  await agent.start(['sleep', UNIQUE])
  const { workspace } = world
  const successor = { host: hostOf('host-z'), ttlMs: 60_000 }
  const released = { workspace, host: hostOf('host-a'), epoch: opened.epoch, successor }
  await world.leases.registry.releaseLease(released)
  await until('it has failed', async () => (await agent.facts()).state === 'failed')
  assert.deepEqual(findProcess(`sleep ${UNIQUE}`), [])
  assert.equal((await agent.facts()).failure?.code, 'lease-lost')
  assert.equal((await agent.facts()).epoch, opened.epoch, 'it is told of the run that ended')
  assert.equal((await world.leases.index.workspace(workspace)).head, generation.id)
  await assert.rejects(agent.open(), (error) => isFailure(error, 'lease-held'))
})

test('a save that fails leaves the sandbox running', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  let isBroken = false
  const agent = await world.agent({
    finalMs: 500,
    wrapStore: (store) =>
      new FaultyObjectStore(store, (operation) =>
        isBroken && operation === 'put' ? { kind: 'fail' } : undefined,
      ),
  })
  await agent.open({ services: [service(['sleep', UNIQUE])] })
  await agent.shell('echo one > a')
  await agent.sync()
  isBroken = true
  await agent.shell('echo two > a')
  const outcome = await agent.close()
  assert.equal(outcome.kind, 'not-saved')
  assert.equal(outcome.kind === 'not-saved' && outcome.sandbox, 'alive')
  assert.equal((await agent.facts()).state, 'running')
  assert.equal((await agent.shell('cat a')).text, 'two\n')
  await until('the command runs', async () => findProcess(`sleep ${UNIQUE}`).length === 1)
  isBroken = false
  assert.equal((await agent.close()).kind, 'saved')
  await agent.open()
  assert.equal((await agent.shell('cat a')).text, 'two\n')
  isBroken = true
  await agent.shell('echo three > a')
  const forced = await agent.close({ force: true })
  assert.equal(forced.kind === 'not-saved' && forced.sandbox, 'gone')
  isBroken = false
  await agent.open()
  assert.equal((await agent.shell('cat a')).text, 'two\n', 'the old generation stays')
})

function service(argv: string[]) {
  return { name: 'one', argv, cwd: '/workspace', environment: {}, restart: 'always' as const }
}

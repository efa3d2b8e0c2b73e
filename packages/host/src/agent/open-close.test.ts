import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFailure } from '@holdfast/base/failure'
import { until } from '@holdfast/testkit/until'
import { HostWorld } from './host-world.fixture.ts'

for (const volume of ['live', 'btrfs'] as const) {
  test(`files outlive a close and another open (${volume})`, { timeout: 60_000 }, async () => {
    await using world = await HostWorld.make()
    const agent = await world.agent({ volume })
    const opened = await agent.open()
    assert.equal(opened.state, 'running')
    assert.equal(opened.sandbox?.volume, volume)
    assert.equal(opened.sandbox?.consistency, 'cut')
    const { state, text } = await agent.shell('echo kept > a; mkdir -p d; ls -la . >&2; id -u')
    assert.equal(state.status, 'exited', text)
    assert.equal(state.exitCode, 0, text)
    const { generation } = await agent.sync()
    assert.equal(generation.files, 1)
    await agent.shell('echo more > d/b')
    const outcome = await agent.close()
    assert.equal(outcome.kind, 'saved')
    assert.equal(outcome.kind === 'saved' && outcome.generation.cause, 'stop')
    assert.deepEqual(await agent.close(), outcome)
    const again = await agent.open()
    assert.ok(again.epoch > opened.epoch)
    assert.equal((await agent.shell('cat a d/b')).text, 'kept\nmore\n')
  })
}

test('who opens what is being opened or closed joins it', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  const [one, two] = await Promise.all([agent.open(), agent.open()])
  assert.equal(one.epoch, two.epoch)
  await agent.shell('echo kept > a')
  const closing = agent.close()
  const again = agent.open()
  assert.equal((await closing).kind, 'saved')
  assert.equal((await again).state, 'running')
  assert.equal((await agent.shell('cat a')).text, 'kept\n')
})

test('less isolation than is asked for is never given', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  const spec = { ...agent.order().spec, isolationMin: 'vm' as const }
  await assert.rejects(agent.open({ spec }), (error) => isFailure(error, 'isolation-unavailable'))
  assert.equal((await agent.open()).state, 'running', 'no lease was left behind')
})

test('what control wants no more is saved and ended', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  await agent.shell('echo kept > a')
  world.unwanted.push(world.workspace)
  await until('it is saved', async () => (await agent.close({ drainMs: 0 })).kind === 'saved')
  assert.equal(
    (await world.leases.registry.leaseStates({ workspaces: [world.workspace] })).states[0]?.host,
    null,
  )
})

test('what control wants no more is what it was told of, not what was opened since', {
  timeout: 60_000,
}, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  const told = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  world.answering = () => {
    told.resolve()
    return answered.promise
  }
  await told.promise
  await agent.close({ drainMs: 0 })
  await agent.open()
  world.unwanted.push(world.workspace)
  answered.resolve()
  await until('control is heard', async () => world.unwanted.length === 0)
  await delay(200)
  assert.equal((await agent.shell('echo runs')).text, 'runs\n')
})

test('a host that is told to end saves all, and takes nothing new', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  await agent.shell('echo kept > a')
  await agent.closeAll()
  await assert.rejects(agent.open(), (error) => isFailure(error, 'no-host'))
  const { head } = await world.leases.index.workspace(world.workspace)
  assert.equal((await world.leases.index.generation(head ?? '')).files, 1)
})

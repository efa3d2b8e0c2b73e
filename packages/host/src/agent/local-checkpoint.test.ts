import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { ObjectStore } from '@holdfast/generations/store/object-store'
import { FaultyObjectStore } from '@holdfast/testkit/faulty-object-store'
import { until } from '@holdfast/testkit/until'
import { HostWorld } from './host-world.fixture.ts'

const LIMIT = { timeout: 60_000 }
type Agent = Awaited<ReturnType<HostWorld['agent']>>

/** A store that takes nothing while it is told not to. */
class ClosedStore {
  isClosed = false

  wrap = (store: ObjectStore): ObjectStore =>
    new FaultyObjectStore(store, (operation) =>
      this.isClosed && operation === 'put' ? { kind: 'fail' } : undefined,
    )
}

async function checkpoint(agent: Agent, message: string) {
  return await agent.host.call('checkpoint', { ...(await agent.run()), message, until: 'local' })
}

function told(world: HostWorld, type: string) {
  return world.events.filter((event) => event.type === type).map(({ payload }) => payload)
}

test(
  'a checkpoint taken locally is of the instant of its answer, however late it is durable',
  LIMIT,
  async (t) => {
    await using world = await HostWorld.make()
    const closed = new ClosedStore()
    const agent = await world.agent({ volume: 'btrfs', wrapStore: closed.wrap })
    await agent.open()
    await agent.shell('echo first > a')
    await agent.sync()
    closed.isClosed = true
    await agent.shell('echo at the instant > a')
    const beganAt = performance.now()
    const one = await checkpoint(agent, 'one')
    t.diagnostic(`local: ${(performance.now() - beganAt).toFixed(1)} ms`)
    assert.equal(one.generation, null)
    await agent.shell('echo between > a')
    assert.equal((await checkpoint(agent, 'two')).generation, null)
    await agent.shell('echo later > a; touch b')
    assert.deepEqual(told(world, 'checkpoint_created'), [])
    closed.isClosed = false
    const { generation: head } = await agent.sync()
    await until('it is told', () => told(world, 'checkpoint_created').length === 2)
    const [first, second] = told(world, 'checkpoint_created')
    assert.deepEqual([first?.message, second?.message], ['one', 'two'])
    assert.ok(Number(first?.sequence) < Number(second?.sequence), 'in the order in which they were taken')
    assert.ok(
      Number(second?.sequence) < head.sequence,
      'no head is of an earlier state than the one before it',
    )
    assert.equal((await agent.shell('cat a')).text, 'later\n')
    const { workspace } = world
    await agent.host.call('rollBack', { workspace, generation: head.id })
    for (const [found, text] of [
      [first, 'at the instant\n'],
      [second, 'between\n'],
    ] as const) {
      const row = await world.leases.index.generation(String(found?.generation))
      assert.deepEqual([row.cause, row.retained], ['checkpoint', true])
      await agent.close()
      await agent.open()
      const order = { workspace, generation: row.id } as Parameters<typeof agent.host.call<'rollBack'>>[1]
      await agent.host.call('rollBack', order)
      assert.equal((await agent.shell('cat a; ls')).text, `${text}a\n`)
    }
  },
)

test('the last commit of a stop waits for what was taken locally', LIMIT, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent({ volume: 'btrfs' })
  await agent.open()
  await agent.shell('echo kept > a')
  assert.equal((await checkpoint(agent, 'kept')).generation, null)
  assert.equal((await agent.close()).kind, 'saved')
  await until('it is told', () => told(world, 'checkpoint_created').length === 1)
  assert.deepEqual(told(world, 'checkpoint_failed'), [])
})

test('of a checkpoint that ends with its host before it is durable, the next run tells', LIMIT, async () => {
  await using world = await HostWorld.make()
  const closed = new ClosedStore()
  {
    await using agent = await world.agent({ volume: 'btrfs', wrapStore: closed.wrap })
    await agent.open()
    await agent.shell('echo durable > a')
    await agent.sync()
    closed.isClosed = true
    await agent.shell('echo lost > a')
    assert.equal((await checkpoint(agent, 'lost')).generation, null)
  }
  closed.isClosed = false
  const agent = await world.agent({ volume: 'btrfs', wrapStore: closed.wrap })
  await agent.open()
  await until('it is told', () => told(world, 'checkpoint_failed').length === 1)
  const [failed] = told(world, 'checkpoint_failed')
  assert.equal(failed?.message, 'lost')
  assert.equal((await agent.shell('cat a')).text, 'durable\n')
  await agent.close()
  await agent.open()
  assert.equal(told(world, 'checkpoint_failed').length, 1, 'once')
})

test('a volume that is read while its writers stand still answers once it is durable', LIMIT, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent({ volume: 'live' })
  await agent.open()
  await agent.shell('echo one > a')
  const { generation } = await checkpoint(agent, 'one')
  assert.equal(generation?.message, 'one')
  assert.equal((await world.leases.index.workspace(world.workspace)).head, generation?.id)
  await agent.close()
  await assert.rejects(checkpoint(agent, 'two'), (error) => isFailure(error, 'not-found'))
})

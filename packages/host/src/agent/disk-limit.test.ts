import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExecRequest } from '@holdfast/protocol/exec'
import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import { until } from '@holdfast/testkit/until'
import { type AgentForTest, HostWorld } from './host-world.fixture.ts'

const MIB = 1 << 20

async function shellIn(world: HostWorld, agent: AgentForTest, workspace: WorkspaceId, script: string) {
  const order = {
    ...{ ...(await agent.run(workspace)), exec: world.nextExec(), waitMs: 60_000, outputBytesMax: 1 << 16 },
    request: ExecRequest.parse({ argv: ['sh', '-c', script] }),
  }
  const { exec, output } = await agent.host.call('startExec', order, { timeoutMs: 90_000 })
  assert.equal(exec.status, 'exited')
  return output.map(({ bytes }) => Buffer.from(bytes, 'base64').toString()).join('')
}

function specWith(agent: AgentForTest, diskBytes: number) {
  const { spec } = agent.order()
  return { ...spec, limits: { ...spec.limits, diskBytes } }
}

test('who fills its limit is refused alone: its neighbour writes and commits on', {
  timeout: 60_000,
}, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent({ volume: 'btrfs' })
  const neighbour = await world.another()
  const opened = await agent.open({ spec: specWith(agent, 64 * MIB) })
  assert.equal(opened.sandbox?.diskLimit, 'enforced')
  await agent.open({ workspace: neighbour })
  const first = await agent.shell('echo kept > kept')
  assert.equal(first.state.exitCode, 0)
  const kept = await agent.sync()

  // The file size limit is the same number: several files pass it together.
  const bomb = await agent.shell('for i in 1 2 3 4; do dd if=/dev/zero of=bomb-$i bs=1M count=40; done 2>&1')
  assert.match(bomb.text, /Disk quota exceeded|No space left/)
  await shellIn(world, agent, neighbour, 'dd if=/dev/zero of=big bs=1M count=100 2>&1')
  const { generation } = await agent.sync(neighbour)
  assert.ok(generation.bytes >= 100 * MIB)
  assert.ok((await agent.sync()).generation.sequence > kept.generation.sequence)

  // What local snapshots hold of it counts until these have gone, some captures later.
  await agent.shell('rm bomb-*')
  await until(
    'there is room again',
    async () => (await agent.shell('dd if=/dev/zero of=again bs=1M count=8')).state.exitCode === 0,
  )
  assert.equal((await agent.sync()).generation.files, 2)
})

test('an end of inodes is an end of room, of one workspace alone', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent({ volume: 'btrfs' })
  const neighbour = await world.another()
  await agent.open({ spec: specWith(agent, 8 * MIB) })
  await agent.open({ workspace: neighbour })
  const script =
    'import os\nfor n in range(200000):\n  try: os.close(os.open(f"f{n}", os.O_CREAT))\n  except OSError as e: print(e); break'
  const bomb = await agent.shell(`python3 -c '${script}'`)
  assert.match(bomb.text, /Disk quota exceeded|No space left/)
  await shellIn(world, agent, neighbour, 'for i in 1 2 3; do echo $i > $i; done')
  assert.equal((await agent.sync(neighbour)).generation.files, 3)
  assert.equal((await agent.close()).kind, 'saved')
})

test('where nothing bounds the disk, the workspace says so inside and outside', {
  timeout: 60_000,
}, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent({ volume: 'live' })
  const opened = await agent.open()
  assert.equal(opened.sandbox?.diskLimit, 'none')
  assert.match((await agent.shell('hold status')).text, /nothing bounds what this workspace holds/)
})

test('who writes more than becomes durable is slowed down, and told', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  let isStoreSlow = false
  const agent = await world.agent({
    volume: 'btrfs',
    pressure: { unsyncedBytesMax: 4 * MIB, diskFreeBytesMin: 1 },
    wrapStore: (store) =>
      Object.assign(Object.create(store), {
        address: store.address,
        put: async (...request: Parameters<typeof store.put>) => {
          while (isStoreSlow) await new Promise((resolve) => setTimeout(resolve, 20))
          return await store.put(...request)
        },
      }),
  })
  await agent.open()
  await agent.sync()
  assert.equal((await agent.facts()).pressure, 'none')
  isStoreSlow = true
  try {
    await agent.shell('for i in 1 2 3 4; do dd if=/dev/urandom of=f-$i bs=1M count=4; done')
    await until('what is not durable presses', async () => (await agent.facts()).pressure === 'unsynced')
    assert.match((await agent.shell('hold status')).text, /slowed down: more was written/)
  } finally {
    isStoreSlow = false
  }
  await agent.sync()
  await until('nothing presses', async () => (await agent.facts()).pressure === 'none')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { until } from '@holdfast/testkit/until'
import { HostWorld, hostOf } from './host-world.fixture.ts'

for (const volume of ['live', 'btrfs'] as const) {
  test(`a handoff loses no row that was acknowledged (${volume})`, { timeout: 60_000 }, async (t) => {
    await using world = await HostWorld.make()
    const source = await world.agent({ name: 'host-a', volume })
    const target = await world.agent({ name: 'host-b', volume })
    const opened = await source.open()
    const writer = await source.start([
      'sh',
      '-c',
      'i=0; while :; do i=$((i+1)); echo $i >> ledger; echo $i; sleep 0.002; done',
    ])
    await until(
      'the ledger is written',
      async () => (await source.shell('wc -l < ledger')).text.trim().length > 2,
    )
    const { workspace } = world
    const to = { host: hostOf('host-b'), address: target.address }
    const moved = await source.host.call(
      'handOff',
      { workspace, target: to, drainMs: 0 },
      { timeoutMs: 30_000 },
    )
    t.diagnostic(`pause ${moved.pauseMs.toFixed(0)} ms, pre-copy ${moved.preCopyMs.toFixed(0)} ms`)
    assert.equal(moved.facts.state, 'running')
    assert.equal(moved.facts.epoch, opened.epoch + 1)
    const ended = await source.host.call('execState', { workspace, exec: writer.exec.id, waitMs: 5000 })
    assert.deepEqual([ended.status, ended.reason], ['killed', 'handoff'])
    const told = await source.host.stream({
      method: 'GET',
      path: '/streams/exec-output',
      query: { workspace, exec: writer.exec.id, after: Math.max(0, ended.lastSequence - 1) },
    })
    const acknowledged = lastNumber(await told.body.text())
    const kept = Number((await target.shell('tail -n 1 ledger')).text)
    assert.ok(acknowledged >= 100 && kept >= acknowledged, `${kept} of ${acknowledged}`)
    const rows = (await target.shell('wc -l < ledger')).text.trim()
    assert.equal(Number(rows), kept)
    await assert.rejects(source.facts(), (error) => isFailure(error, 'not-found'))
    assert.equal((await target.close()).kind, 'saved')
  })

  test(`a rollback continues from an older state in a fresh sandbox (${volume})`, {
    timeout: 60_000,
  }, async (t) => {
    await using world = await HostWorld.make()
    const agent = await world.agent({ volume })
    await agent.open()
    const { workspace } = world
    await agent.shell('echo old > a; mkdir d; echo x > d/x')
    const { generation: old } = await agent.host.call('checkpoint', {
      ...(await agent.run()),
      message: 'good',
      until: 'durable',
    })
    assert.ok(old)
    assert.deepEqual([old.cause, old.message], ['checkpoint', 'good'])
    await agent.shell('echo new > a; rm -r d; echo b > b')
    const running = await agent.start(['sleep', '60'])
    const { facts, tookMs } = await agent.host.call('rollBack', { workspace, generation: old.id })
    t.diagnostic(`rollback ${tookMs.toFixed(0)} ms`)
    assert.equal(facts.state, 'running')
    assert.equal((await agent.shell('cat a d/x; ls')).text, 'old\nx\na\nd\n')
    const ended = await agent.host.call('execState', { workspace, exec: running.exec.id, waitMs: 0 })
    assert.deepEqual([ended.status, ended.reason], ['killed', 'rollback'])
    await agent.shell('echo after > c')
    const { generation: after } = await agent.sync()
    const history = await world.leases.index.history(workspace, { limit: 10 })
    assert.equal(after.files, 3)
    const before = history.find(({ cause }) => cause === 'rollback')?.parent ?? ''
    const back = await agent.host.call('rollBack', { workspace, generation: before })
    assert.equal(back.facts.state, 'running')
    assert.equal(
      (await agent.shell('cat a b; ls')).text,
      'new\nb\na\nb\n',
      'what was there was committed first',
    )
    await assert.rejects(agent.host.call('rollBack', { workspace, generation: 'f'.repeat(64) }), (error) =>
      isFailure(error, 'not-found'),
    )
    assert.equal((await agent.facts()).state, 'running')
    await agent.close()
    await agent.open({ rollBackTo: old.id })
    assert.equal((await agent.shell('cat a d/x')).text, 'old\nx\n')
    const drilled = await agent.host.call(
      'drill',
      { workspace, org: world.org, generation: null },
      { timeoutMs: 60_000 },
    )
    assert.equal(drilled.outcome, 'verified')
  })
}

for (const volume of ['live', 'btrfs'] as const) {
  test(`a fork begins with the tree of a generation (${volume})`, { timeout: 60_000 }, async (t) => {
    await using world = await HostWorld.make()
    const agent = await world.agent({ volume })
    await agent.open()
    await agent.shell('echo shared > a')
    const { generation } = await agent.sync()
    const child = await world.fork(generation.id)
    const beganAt = performance.now()
    await agent.open({ workspace: child })
    t.diagnostic(`open ${(performance.now() - beganAt).toFixed(0)} ms`)
    const { workspace } = world
    assert.equal((await agent.files.call('statFile', { workspace: child, path: 'a' })).bytes, 7)
    const facts = await agent.host.call('workspaceFacts', { workspace: child })
    const row = await world.leases.index.generation(facts.head ?? '')
    assert.equal(row.cause, 'fork')
    await agent.files.call('removeFile', { workspace: child, path: 'a', recursive: false })
    const { generation: next } = await agent.sync(child)
    assert.equal(next.files, 0)
    assert.equal((await agent.files.call('statFile', { workspace, path: 'a' })).bytes, 7)
  })
}

test('what is forgotten is gone from the host, and open again from the store', {
  timeout: 60_000,
}, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent({ volume: 'btrfs' })
  await agent.open()
  await agent.shell('echo stored > a')
  const { workspace } = world
  await assert.rejects(agent.host.call('forgetWorkspace', { workspace }), (error) =>
    isFailure(error, 'invalid-state'),
  )
  await agent.close()
  await agent.host.call('forgetWorkspace', { workspace })
  await agent.open()
  assert.equal((await agent.shell('cat a')).text, 'stored\n')
})

function lastNumber(lines: string): number {
  const chunks = lines
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
  const text = chunks.map((event) => Buffer.from(event.chunk?.bytes ?? '', 'base64').toString()).join('')
  return Number(text.trim().split('\n').at(-1))
}

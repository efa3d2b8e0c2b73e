import assert from 'node:assert/strict'
import { test } from 'node:test'
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

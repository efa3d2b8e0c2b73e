import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS_DEFAULT, SANDBOX_SPEC_DEFAULT, type SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import { type AgentForTest, HostWorld } from './host-world.fixture.ts'

const KEPT: SandboxSpec = { ...SANDBOX_SPEC_DEFAULT, systemWrites: 'kept', allowRoot: true }
const WRITE = `set -e
  mkdir -p /usr/local/bin /new && echo 'echo own' > /usr/local/bin/own && chmod +x /usr/local/bin/own
  rm /usr/bin/env /etc/hostname; rm -r /usr/share/common-licenses; mkdir /usr/share/common-licenses
  echo changed >> /etc/hosts; chown 1000:33 /new; echo first > own-file`
const READ = `own; test -e /usr/bin/env || echo no env; test -e /etc/hostname || echo no name
  ls -A /usr/share/common-licenses; tail -n 1 /etc/hosts; stat -c %u:%g /new /usr/local/bin/own`
const TOLD = 'own\nno env\nno name\nchanged\n1000:33\n0:0\n'

async function asRoot(agent: AgentForTest, script: string): Promise<string> {
  const { state, text } = await agent.shell(script, { user: 'root' })
  assert.equal(state.exitCode, 0, text)
  return text
}

for (const volume of ['live', 'btrfs'] as const)
  test(`a kept system is in the generations: on another host, and after a rollback, it is what it was (${volume})`, {
    timeout: 120_000,
  }, async () => {
    await using world = await HostWorld.make()
    const { workspace } = world
    const source = await world.agent({ name: 'host-a', volume, warm: { perKey: 1, keysMax: 2 } })
    const target = await world.agent({ name: 'host-b', volume })
    const opened = await source.open({ spec: KEPT })
    assert.equal(opened.sandbox?.start, 'cold')
    const { generation: before } = await source.sync()
    await asRoot(source, WRITE)
    assert.equal(await asRoot(source, READ), TOLD)
    const { generation: after } = await source.sync()
    const drill = { workspace, org: world.org, generation: after.id }
    assert.equal((await source.host.call('drill', drill, { timeoutMs: 60_000 })).outcome, 'verified')
    assert.equal((await source.close()).kind, 'saved')

    const again = await source.open({ spec: KEPT })
    assert.equal(again.sandbox?.start, 'cold', 'none that waited has it')
    assert.equal(await asRoot(source, READ), TOLD)
    await source.close()

    await target.open({ spec: KEPT })
    assert.equal(await asRoot(target, READ), TOLD)
    assert.equal(await asRoot(target, 'cat own-file'), 'first\n')
    const look = { workspace, path: '.', limit: 10 }
    const nothing = { ...look, pattern: 'no-such' }
    assert.deepEqual((await target.files.call('findFiles', nothing)).paths, [])
    assert.deepEqual((await target.files.call('grepFiles', { ...nothing, isRegex: false })).matches, [])
    await asRoot(target, 'echo more > /usr/local/more; rm /usr/local/bin/own')
    await target.sync()
    const rollBack = { workspace, generation: after.id }
    await target.host.call('rollBack', rollBack, { timeoutMs: 60_000 })
    assert.equal(await asRoot(target, `${READ}; ls /usr/local`), `${TOLD}bin\n`)
    await target.host.call('rollBack', { workspace, generation: before.id }, { timeoutMs: 60_000 })
    assert.equal(await asRoot(target, 'env true; cat /etc/hostname; ls -A /usr/local'), 'workspace\n')
    assert.equal((await target.close()).kind, 'saved')
  })

test('a mark of a deleted name that a guest makes among its own files is kept, and ends no capture', {
  timeout: 60_000,
}, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent({ volume: 'btrfs' })
  await agent.open()
  await agent.shell('python3 -c "import os; os.mknod(\\"mark\\", 0o20600, 0)"; echo own > own; ls -l mark')
  const { generation } = await agent.sync()
  assert.equal(generation.files, 1)
  await agent.close()
  await agent.open()
  assert.equal((await agent.shell('cat own')).text, 'own\n')
})

test('the disk limit counts what is written to a kept system', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent({ volume: 'btrfs' })
  const limits = { ...LIMITS_DEFAULT, diskBytes: 48 << 20 }
  const { sandbox } = await agent.open({ spec: { ...KEPT, limits } })
  assert.equal(sandbox?.diskLimit, 'enforced')
  const { text } = await agent.shell('head -c 200M /dev/urandom > /usr/big; stat -c %s /usr/big', {
    user: 'root',
  })
  assert.match(text, /Disk quota exceeded|File too large/)
  assert.notEqual((await agent.shell('head -c 64M /dev/urandom > more')).state.exitCode, 0)
  await agent.shell('rm /usr/big', { user: 'root' })
  assert.equal((await agent.close()).kind, 'saved')
})

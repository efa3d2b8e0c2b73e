import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { GenerationId } from '@holdfast/protocol/identifiers'
import { SANDBOX_SPEC_DEFAULT, type SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import { pushFiles, startDockerRegistry } from '@holdfast/sandbox/image/registry.fixture'
import { until } from '@holdfast/testkit/until'
import { type AgentForTest, HostWorld, hostOf } from './host-world.fixture.ts'

async function pinnedSpec(agent: AgentForTest, packs: Record<string, string>): Promise<SandboxSpec> {
  const wanted = Object.entries(packs).map(([name, source]) => ({ name, source }))
  const content = await agent.host.call('pinContent', { system: { kind: 'machine' }, packs: wanted })
  return { ...SANDBOX_SPEC_DEFAULT, ...content }
}

async function pathsAt(agent: AgentForTest, world: HostWorld, generation: string): Promise<string[]> {
  const { workspace, org } = world
  const listed = async (path: string) => {
    const request = { workspace, org, generation: GenerationId.parse(generation), path, limit: 100 }
    const { entries } = await agent.browse.call('listGenerationFiles', request)
    return entries.map(({ name }) => `${path}/${name}`)
  }
  const top = await listed('.')
  return [...top, ...(await listed('packs')), ...(await listed('packs/tools'))]
}

for (const volume of ['live', 'btrfs'] as const)
  test(`packs are shown, are in no generation, and stay what they were (${volume})`, {
    timeout: 60_000,
  }, async () => {
    await using registry = await startDockerRegistry()
    await using world = await HostWorld.make()
    const tools = pushFiles(registry, 'packs/tools:v1', {
      guide: 'first\n',
      'bin/tell': '#!/bin/sh\necho told\n',
    })
    const agent = await world.agent({ volume })
    const spec = await pinnedSpec(agent, { tools })
    assert.match(spec.packs[0]?.digest ?? '', /^sha256:/)
    await agent.open({ spec })
    assert.equal((await agent.shell('cat packs/tools/guide; packs/tools/bin/tell')).text, 'first\ntold\n')
    await agent.shell('echo own > own')
    const { generation } = await agent.sync()
    assert.equal(generation.files, 1)
    assert.deepEqual(await pathsAt(agent, world, generation.id), ['./own', './packs', 'packs/tools'])
    assert.equal((await agent.close()).kind, 'saved')

    pushFiles(registry, 'packs/tools:v1', { guide: 'second\n' })
    const opened = await agent.open({ spec })
    assert.equal((await agent.shell('cat packs/tools/guide own')).text, 'first\nown\n')
    assert.deepEqual(opened.sandbox?.packs, [{ name: 'tools', digest: spec.packs[0]?.digest }])
    const { facts } = await agent.host.call('rollBack', {
      workspace: world.workspace,
      generation: generation.id,
    })
    assert.deepEqual(facts.sandbox?.packs, opened.sandbox?.packs)
    assert.equal((await agent.shell('cat packs/tools/guide')).text, 'first\n')

    await agent.close()
    const renewed = await pinnedSpec(agent, { tools })
    await agent.open({ spec: renewed })
    assert.equal((await agent.shell('cat packs/tools/guide')).text, 'second\n')
  })

test('a handoff takes the same bytes along, whatever their name means by then', {
  timeout: 60_000,
}, async () => {
  await using registry = await startDockerRegistry()
  await using world = await HostWorld.make()
  const tools = pushFiles(registry, 'packs/tools:v1', { guide: 'first\n' })
  const source = await world.agent({ name: 'host-a' })
  const target = await world.agent({ name: 'host-b' })
  await source.open({ spec: await pinnedSpec(source, { tools }) })
  pushFiles(registry, 'packs/tools:v1', { guide: 'second\n' })
  const to = { host: hostOf('host-b'), address: target.address }
  await source.host.call(
    'handOff',
    { workspace: world.workspace, target: to, drainMs: 0 },
    { timeoutMs: 30_000 },
  )
  assert.equal((await target.shell('cat packs/tools/guide')).text, 'first\n')
  await target.close()
})

test('what a guest put where a pack goes is set aside, and told of', { timeout: 60_000 }, async () => {
  await using registry = await startDockerRegistry()
  await using world = await HostWorld.make()
  const tools = pushFiles(registry, 'packs/tools:v1', { guide: 'first\n' })
  const agent = await world.agent()
  await agent.open()
  await agent.shell('mkdir packs; ln -s /etc packs/tools')
  await agent.close()
  await agent.open({ spec: await pinnedSpec(agent, { tools }) })
  assert.equal(
    (await agent.shell('cat packs/tools/guide; readlink packs/tools.aside-1')).text,
    'first\n/etc\n',
  )
  await until('it is told', () => world.events.some(({ type }) => type === 'moved_aside'))
  const told = world.events.find(({ type }) => type === 'moved_aside')
  assert.deepEqual(told?.payload, { path: 'packs/tools', moved_to: 'packs/tools.aside-1' })
})

test('a name that no registry has is refused before anything is opened', { timeout: 60_000 }, async () => {
  await using registry = await startDockerRegistry()
  await using world = await HostWorld.make()
  const agent = await world.agent()
  const source = `${registry.host}/no/such:v1`
  await assert.rejects(pinnedSpec(agent, { tools: source }), (error) => isFailure(error, 'not-found'))
  await assert.rejects(pinnedSpec(agent, { tools: 'nonsense' }), (error) =>
    isFailure(error, 'invalid-argument'),
  )
  const spec = { ...SANDBOX_SPEC_DEFAULT, packs: [{ name: 'tools', source }] }
  await assert.rejects(agent.open({ spec }), (error) => isFailure(error, 'not-found'))
  assert.equal((await agent.open()).state, 'running', 'the lease is free')
})

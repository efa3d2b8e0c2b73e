import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { forgeRegistry, forgeTar } from '@holdfast/sandbox/image/registry.fixture'
import { installedPrograms } from '@holdfast/sandbox/native-programs'
import { HostWorld } from './host-world.fixture.ts'

test('an image is the system of a workspace, read-only, and is what it was when the workspace opens again', {
  timeout: 60_000,
}, async () => {
  // A static program is all the system that this needs.
  const hold = readFileSync(installedPrograms().holdinit)
  await using registry = await forgeRegistry([
    forgeTar([
      { path: 'bin/own', content: hold, mode: 0o755 },
      { path: 'etc/passwd', content: 'root:x:0:0::/root:/bin/own\n', mode: 0o600 },
    ]),
  ])
  await using world = await HostWorld.make()
  const agent = await world.agent({ volume: 'live', warm: { perKey: 1, keysMax: 2 } })
  const { reference, digest } = registry
  const spec = { ...agent.order().spec, system: { kind: 'image', reference, digest } as const }
  await agent.open({ spec })
  const { exec } = await agent.start(['/bin/own'], {}, 10_000)
  assert.equal(exec.status, 'exited', 'the program of the image runs')
  await assert.rejects(agent.start(['/usr/bin/python3']), (error) => isFailure(error, 'exec-failed'))
  await agent.sync()
  await agent.close()
  await registry[Symbol.asyncDispose]()
  assert.equal((await agent.open({ spec })).state, 'running')
})

test('an image that cannot be had leaves the workspace where it was, without a lease', {
  timeout: 60_000,
}, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  const system = { kind: 'image', reference: '127.0.0.1:1/no/image' } as const
  await assert.rejects(agent.open({ spec: { ...agent.order().spec, system } }), (error) =>
    isFailure(error, 'image-unavailable'),
  )
  assert.equal((await agent.open()).state, 'running')
})

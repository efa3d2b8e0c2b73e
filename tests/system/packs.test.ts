import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Holdfast } from '@holdfast/client/holdfast'
import { pushFiles, startDockerRegistry } from '@holdfast/sandbox/image/registry.fixture'
import { HoldProcess } from '@holdfast/testkit/cli-journeys'
import { z } from 'zod'
import { type OneBox, startOneBox } from './one-box.ts'

test('packs of a registry come with a workspace, its forks and its restarts', {
  timeout: 120_000,
}, async () => {
  await using registry = await startDockerRegistry()
  await using box = await startOneBox({ registries: [registry.host] })
  using hold = new HoldProcess(box)
  const guides = pushFiles(registry, 'team/guides:v1', { 'guide.md': 'first\n' })
  await hold.printed('create', 'box', '--pack', `guides=${guides}`)
  assert.equal(await hold.printed('exec', 'box', '--', 'cat', 'packs/guides/guide.md'), 'first')
  assert.match(
    await hold.printed('inspect', 'box'),
    /packs +guides = .*team\/guides:v1 \(sha256:[0-9a-f]{12}\)/,
  )

  pushFiles(registry, 'team/guides:v1', { 'guide.md': 'second\n' })
  const workspace = await new Holdfast(box).connect('box')
  await workspace.fork({ name: 'fork' })
  assert.equal(await hold.printed('exec', 'fork', '--', 'cat', 'packs/guides/guide.md'), 'first')
  await workspace.update({ packs: [{ name: 'guides', source: guides }] })
  assert.equal(workspace.state.packStatus, 'stale')
  assert.match(await hold.printed('inspect', 'box'), /not yet in the sandbox: restart it/)
  await hold.printed('restart', 'box')
  assert.equal(await hold.printed('exec', 'box', '--', 'cat', 'packs/guides/guide.md'), 'second')
  assert.equal(await hold.printed('exec', 'fork', '--', 'cat', 'packs/guides/guide.md'), 'first')

  const refused = await hold.run(['create', '--pack', `guides=${registry.host}/no/such:v1`])
  assert.notEqual(refused.exitCode, 0)
  assert.match(refused.stderr, /has no .*no\/such/)
})

test('packages that root installs stay, over a stop and in a fork', { timeout: 120_000 }, async () => {
  await using box = await startOneBox()
  using hold = new HoldProcess(box)
  const workspace = await new Holdfast(box).create({ name: 'kept', systemWrites: 'kept', allowRoot: true })
  assert.equal(workspace.state.systemWrites, 'kept')
  const installing =
    'mkdir -p /usr/local/bin; echo "echo told" > /usr/local/bin/told; chmod +x /usr/local/bin/told'
  await hold.printed('exec', '--user', 'root', 'kept', '--', 'sh', '-c', installing)
  await workspace.fork({ name: 'fork' })
  await hold.printed('stop', 'kept')
  assert.equal(await hold.printed('exec', 'kept', '--', 'told'), 'told')
  assert.equal(await hold.printed('exec', 'fork', '--', 'told'), 'told')
  assert.match(await hold.printed('inspect', 'kept'), /writes to it +kept/)
  const asked = { name: 'strict', system_writes: 'kept', isolation_min: 'sandboxed-kernel' }
  assert.match(await waitingMessage(box, asked), /no host has .* a system that can be written/)
})

/** Why a workspace waits: less than what it asks for is never given. */
async function waitingMessage(box: OneBox, asked: Readonly<Record<string, string>>): Promise<string> {
  const headers = { authorization: `Bearer ${box.apiKey}`, 'content-type': 'application/json' }
  await fetch(`${box.url}/v1/workspaces`, { method: 'POST', headers, body: JSON.stringify(asked) })
  for (;;) {
    const answer = await fetch(`${box.url}/v1/workspaces/${asked.name}`, { headers })
    const { status_reason, status_message } = Waiting.parse(await answer.json())
    if (status_reason === 'isolation-unavailable') return status_message ?? ''
    await delay(50)
  }
}

const Waiting = z.object({ status_reason: z.string().nullable(), status_message: z.string().nullable() })

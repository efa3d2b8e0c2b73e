import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '@holdfast/base/failure'
import { Installation } from './control.fixture.ts'

const PACK = { name: 'tools', source: 'registry.example/tools:v1' }

test('names of registries are asked for once: resumes, forks and handoffs have the same bytes', async () => {
  await using installation = await Installation.start({}, 2)
  const image = { kind: 'image', reference: 'registry.example/system:v1' }
  const made = await installation.workspace({ packs: [PACK], system: image })
  const [digest] = made.packs.map((pack: { digest: string }) => pack.digest)
  assert.match(digest, /^sha256:[0-9a-f]{64}$/)
  assert.match(made.system.digest, /^sha256:/)
  assert.equal(made.pack_status, 'current')
  for (const host of installation.hosts) host.tagMoves++

  const moved = await installation.ask(`POST /v1/workspaces/${made.id}/handoff`, { body: {} })
  assert.deepEqual(moved.body.workspace.packs, made.packs)
  const stopped = await installation.ask(`POST /v1/workspaces/${made.id}/stop?wait=10s`, { body: {} })
  assert.equal(stopped.body.pack_status, 'unknown')
  const resumed = await installation.ask(`POST /v1/workspaces/${made.id}/resume?wait=10s`, { body: {} })
  assert.deepEqual([resumed.body.packs, resumed.body.system], [made.packs, made.system])
  assert.equal(resumed.body.pack_status, 'current')
  const forked = await installation.ask(`POST /v1/workspaces/${made.id}/fork?wait=10s`, { body: {} })
  assert.deepEqual(forked.body.items[0].workspace.packs, made.packs)
  assert.equal(
    installation.hosts.flatMap(({ calls }) => calls.filter((call) => call === 'pinContent')).length,
    1,
  )
})

test('packs are pinned before anything runs, so control may end at any moment', async () => {
  await using installation = await Installation.start()
  const { host } = installation
  let openings = 0
  host.before = (call) => {
    if (call !== 'openWorkspace' || openings++ > 0) return
    host.tagMoves++
    throw new Failure('overloaded', 'not now')
  }
  const made = await installation.workspace({ packs: [PACK] })
  assert.equal(host.calls.filter((call) => call === 'pinContent').length, 1)
  host.tagMoves--
  assert.equal(made.packs[0].digest, host.digestOf(PACK.source), 'what the first opening was to have')
})

test('other packs are stale until a restart, and what does not exist is refused at once', async () => {
  await using installation = await Installation.start()
  const { host } = installation
  const { id, packs } = await installation.workspace({ packs: [PACK] })
  const update = async (list: unknown) =>
    await installation.ask(`PATCH /v1/workspaces/${id}`, { body: { packs: list } })

  assert.equal((await update([PACK])).body.pack_status, 'current', 'the tag means what it meant')
  host.tagMoves++
  const changed = await update([PACK])
  assert.equal(changed.body.pack_status, 'stale')
  assert.notEqual(changed.body.packs[0].digest, packs[0].digest)
  const restarted = await installation.ask(`POST /v1/workspaces/${id}/restart?wait=10s`, { body: {} })
  assert.equal(restarted.body.pack_status, 'current')
  assert.equal((await update([])).body.pack_status, 'stale')

  host.before = (call) => {
    if (call === 'pinContent') throw new Failure('not-found', 'no such image')
  }
  assert.equal((await update([{ name: 'more', source: 'registry.example/more:v1' }])).status, 404)
  assert.deepEqual((await installation.ask(`GET /v1/workspaces/${id}`)).body.packs, [])
})

test('names of packs are plain, and each is there once', async () => {
  await using installation = await Installation.start()
  const source = PACK.source
  for (const name of ['..', '.hidden', 'a/b', 'A', '', 'x'.repeat(64)]) {
    const refused = await installation.ask('POST /v1/workspaces', { body: { packs: [{ name, source }] } })
    assert.equal(refused.status, 400, name)
  }
  const twice = await installation.ask('POST /v1/workspaces', { body: { packs: [PACK, PACK] } })
  assert.equal(twice.status, 400)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExposureLinks } from '@holdfast/base/exposure-link'
import { WorkspaceId } from '@holdfast/protocol/identifiers'
import { Installation, LINK_KEY } from './control.fixture.ts'

test('checkpoint, rollback and history: history only grows', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  const checkpoint = await installation.ask(`POST /v1/workspaces/${id}/checkpoints`, {
    body: { message: 'before' },
  })
  assert.equal(checkpoint.status, 201)
  const synced = await installation.ask(`POST /v1/workspaces/${id}/sync`, { body: {} })
  assert.equal(synced.body.is_new, true)
  const rolled = await installation.ask(`POST /v1/workspaces/${id}/rollback?wait=10s`, {
    body: { generation: '1' },
  })
  assert.equal(rolled.body.status, 'idle')
  const history = await installation.ask(`GET /v1/workspaces/${id}/generations?limit=2`)
  assert.deepEqual(
    history.body.items.map(({ cause }: { cause: string }) => cause),
    ['rollback', 'periodic'],
  )
  const older = await installation.ask(
    `GET /v1/workspaces/${id}/generations?cursor=${history.body.next_cursor}`,
  )
  assert.deepEqual(
    older.body.items.map(({ sequence }: { sequence: number }) => sequence),
    [2, 1],
  )
  const named = await installation.ask(`GET /v1/workspaces/${id}/checkpoints`)
  assert.deepEqual(
    named.body.items.map(({ message }: { message: string }) => message),
    ['before'],
  )
  const found = await installation.ask(
    `GET /v1/workspaces/${id}/generations/${checkpoint.body.generation.id.slice(0, 12)}`,
  )
  assert.equal(found.body.sequence, 1)
  assert.equal((await installation.ask(`GET /v1/workspaces/${id}/generations/99`)).status, 404)
  const head = await installation.ask(`GET /v1/workspaces/${id}/generations/head`)
  assert.equal(head.body.id, await newest(installation, id))
})

test('a stopped workspace rolls back by being opened at the older generation', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  await installation.ask(`POST /v1/workspaces/${id}/sync`, { body: {} })
  await installation.ask(`POST /v1/workspaces/${id}/stop?wait=10s`, { body: {} })
  const rolled = await installation.ask(`POST /v1/workspaces/${id}/rollback?wait=10s`, {
    body: { generation: '1' },
  })
  assert.equal(rolled.body.status, 'idle')
  assert.ok(!installation.host.calls.includes('rollBack'))
})

test('forks begin at the captured state, at a generation, and show in the lineage; a name taken fails alone', async () => {
  await using installation = await Installation.start()
  const parent = await installation.workspace({ name: 'parent', labels: { a: 'b' } })
  await installation.workspace({ name: 'kid-2' })
  const forked = await installation.ask(`POST /v1/workspaces/parent/fork?wait=10s`, {
    body: { name: 'kid', count: 3 },
  })
  const [first, second, third] = forked.body.items
  assert.equal(first.workspace.status, 'idle')
  assert.equal(first.workspace.parent_workspace_id, parent.id)
  assert.match(first.workspace.fork_source_snapshot_ref, /^[0-9a-f]{64}$/)
  assert.equal(second.failure.code, 'already_exists')
  assert.equal(third.workspace.name, 'kid-3')
  await installation.ask('POST /v1/workspaces/parent/stop?wait=10s', { body: {} })
  const at = await installation.ask('POST /v1/workspaces/parent/fork?wait=10s', { body: { at: '1' } })
  assert.equal(at.body.items[0].workspace.status, 'idle', JSON.stringify(at.body))
  const lineage = await installation.ask('GET /v1/workspaces/kid-3/lineage')
  assert.equal(lineage.body.items.length, 4)
  assert.equal(lineage.body.items[0].id, parent.id)
})

test('a handoff moves a workspace, and draining a host moves all of them', async () => {
  await using installation = await Installation.start({}, 2)
  const made = await installation.workspace()
  const moved = await installation.ask(`POST /v1/workspaces/${made.id}/handoff`, { body: {} })
  assert.equal(moved.status, 200, JSON.stringify(moved.body))
  assert.notEqual(moved.body.workspace.host_id, made.host_id)
  assert.equal(moved.body.workspace.epoch, 2)
  const drained = await installation.ask(`POST /v1/hosts/${moved.body.workspace.host_id}/drain`, { body: {} })
  assert.equal(drained.body.status, 'draining')
  const byName = await installation.ask(`POST /v1/hosts/${drained.body.name}/drain`, { body: {} })
  assert.equal(byName.body.id, drained.body.id)
  assert.equal((await installation.ask('POST /v1/hosts/nobody/drain', { body: {} })).status, 404)
  const back = await installation.until(made.id, ({ host_id }) => host_id === made.host_id)
  assert.equal(back.epoch, 3)
})

test('a restart commits first, archive hides what rests, and illegal steps name the legal ones', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  const restarted = await installation.ask(`POST /v1/workspaces/${id}/restart?wait=10s`, { body: {} })
  assert.equal(restarted.body.epoch, 2)
  const early = await installation.ask(`POST /v1/workspaces/${id}/archive`, { body: {} })
  assert.equal(early.status, 409)
  assert.match(early.body.error.details.allowed_actions, /stop/)
  await installation.ask(`POST /v1/workspaces/${id}/stop?wait=10s`, { body: {} })
  const archived = await installation.ask(`POST /v1/workspaces/${id}/archive`, { body: {} })
  assert.ok(archived.body.archived_at > 0)
  assert.deepEqual((await installation.ask('GET /v1/workspaces')).body.items, [])
  assert.equal((await installation.ask('GET /v1/workspaces?include_archived=true')).body.items.length, 1)
  assert.equal((await installation.ask(`POST /v1/workspaces/${id}/resume`, { body: {} })).status, 409)
  const exec = await installation.ask(`POST /v1/workspaces/${id}/execs`, { body: { argv: ['true'] } })
  assert.equal(exec.status, 409)
  assert.equal(
    (await installation.ask(`POST /v1/workspaces/${id}/unarchive`, { body: {} })).body.archived_at,
    null,
  )
})

test('lists are paged, filtered by label, name and status', async () => {
  await using installation = await Installation.start()
  for (const name of ['a', 'b', 'c']) await installation.workspace({ name, labels: { n: name, all: 'x' } })
  const first = await installation.ask('GET /v1/workspaces?limit=2')
  const second = await installation.ask(`GET /v1/workspaces?limit=2&cursor=${first.body.next_cursor}`)
  const names = [...first.body.items, ...second.body.items].map(({ name }: { name: string }) => name)
  assert.deepEqual(names, ['c', 'b', 'a'])
  assert.equal(second.body.next_cursor, null)
  const filtered = await installation.ask('GET /v1/workspaces?label=all=x&label=n=b&status=idle')
  assert.deepEqual(
    filtered.body.items.map(({ name }: { name: string }) => name),
    ['b'],
  )
  const connected = await installation.ask('POST /v1/workspaces', {
    body: { name: 'a', if_exists: 'connect' },
  })
  assert.equal(connected.body.name, 'a')
  assert.equal((await installation.ask('POST /v1/workspaces', { body: { name: 'a' } })).status, 409)
  await installation.ask('PATCH /v1/workspaces/a', { body: { labels: { n: 'z' } } })
  assert.equal((await installation.ask('GET /v1/workspaces?label=n=z')).body.items.length, 1)
})

test('ports are served under URLs and links, services are kept, and a deployment is all of it', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  const exposed = await installation.ask(`POST /v1/workspaces/${id}/exposures`, { body: { port: 3000 } })
  assert.equal(exposed.body.url, `http://3000-${id.replace('_', '-')}.apps.localhost:8081/`)
  const resolved = await installation.host
    .control()
    .call('resolveExposure', { workspace: id, port: 3000, resume: false })
  assert.equal(resolved.hostAddress, installation.host.address)
  const link = await installation.ask(`POST /v1/workspaces/${id}/exposures/3000/links`, { body: {} })
  assert.match(link.body.url, /\?holdfast_token=hx1\./)
  const service = { name: 'web', argv: ['serve'], port: 3000 }
  const kept = await installation.ask(`POST /v1/workspaces/${id}/services`, { body: service })
  assert.equal(kept.body.status, 'healthy')
  const deployed = await installation.ask(`POST /v1/workspaces/${id}/deploy`, {
    body: { service: 'npm start', port: 8000 },
  })
  assert.equal(deployed.status, 201, JSON.stringify(deployed.body))
  assert.equal(deployed.body.exposure.access, 'public')
  const services = await installation.ask(`GET /v1/workspaces/${id}/services`)
  assert.deepEqual(
    services.body.items.map(({ name }: { name: string }) => name),
    ['app', 'web'],
  )
  await installation.ask(`POST /v1/workspaces/${id}/stop?wait=10s`, { body: {} })
  const asleep = { workspace: id, port: 3000 }
  assert.equal(
    (await installation.host.control().call('resolveExposure', { ...asleep, resume: false })).hostAddress,
    null,
  )
  assert.equal(
    (await installation.host.control().call('resolveExposure', { ...asleep, resume: true })).epoch,
    2,
  )
  assert.equal((await installation.ask(`DELETE /v1/workspaces/${id}/exposures/3000`)).status, 204)
  await assert.rejects(installation.host.control().call('resolveExposure', { ...asleep, resume: false }), {
    code: 'not-found',
  })
  assert.equal((await installation.ask(`DELETE /v1/workspaces/${id}/services/none`)).status, 404)
})

test('a port that is revoked and exposed again is another: links to the one before are dead', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  const base = `/v1/workspaces/${id}/exposures`
  const links = new ExposureLinks(LINK_KEY)
  const expose = async (access: string) => {
    const { status } = await installation.ask(`POST ${base}`, { body: { port: 3000, access } })
    assert.equal(status, 201)
    const line = installation.host.control()
    return (await line.call('resolveExposure', { workspace: id, port: 3000, resume: false })).exposure
  }
  const linked = async () => {
    const { url } = (await installation.ask(`POST ${base}/3000/links`, { body: {} })).body
    const verified = links.verify(new URL(url).searchParams.get('holdfast_token') ?? '', 0)
    return verified.outcome === 'valid' && verified.grant.kind === 'port'
      ? verified.grant.exposure
      : undefined
  }
  const first = await expose('private')
  assert.equal(await linked(), first)
  assert.equal(await expose('org'), first, 'whoever may see it besides, it is the same')
  assert.equal((await installation.ask(`DELETE ${base}/3000`)).status, 204)
  const second = await expose('private')
  assert.notEqual(second, first)
  assert.equal(await linked(), second)
})

test('a drill keeps its outcome, and orgs, hosts, metrics and health tell what they are asked', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  await installation.ask(`POST /v1/workspaces/${id}/sync`, { body: {} })
  const drill = await installation.ask(`POST /v1/workspaces/${id}/drill`, { body: {} })
  assert.equal(drill.body.outcome, 'verified')
  assert.deepEqual((await installation.ask('GET /v1/drills')).body.items, [drill.body])
  assert.deepEqual((await installation.ask(`GET /v1/workspaces/${id}`)).body.last_drill, drill.body)
  await reportDrill(installation, { workspace: id, outcome: 'damaged', generation: drill.body.generation })
  await reportDrill(installation, { workspace: id, outcome: 'unchecked', generation: drill.body.generation })
  const { last_drill: told } = (await installation.ask(`GET /v1/workspaces/${id}`)).body
  assert.deepEqual([told.outcome, told.took_ms], ['damaged', 5])
  assert.deepEqual((await installation.ask('GET /v1/drills')).body.items, [told, drill.body])
  assert.equal((await installation.ask('GET /v1/orgs')).body.items.length, 1)
  assert.equal((await installation.ask('GET /v1/hosts')).body.items[0].workspaces, 1)
  assert.match((await installation.ask('GET /metrics')).body, /holdfast_workspaces\{status="idle"\} 1\n/)
  assert.equal((await installation.ask('GET /readyz', { key: null })).body.status, 'ok')
})

async function newest(installation: Installation, workspace: string): Promise<string> {
  const { body } = await installation.ask(`GET /v1/workspaces/${workspace}/generations?limit=1`)
  return body.items[0].id
}

/** As a host does; twice, since it may not have heard the first answer. */
async function reportDrill(
  { host }: Installation,
  {
    workspace,
    ...proof
  }: { readonly workspace: string; readonly outcome: string; readonly generation: string },
): Promise<void> {
  const payload = { ...proof, detail: 'told', took_ms: 5 }
  const event = { id: `drill-${proof.outcome}`, source: 'host', type: 'drill_result', payload } as const
  const events = [{ ...event, workspace: WorkspaceId.parse(workspace), at: Date.parse('2100-01-01') }]
  for (let time = 0; time < 2; time++) await host.control().call('reportEvents', { host: host.id, events })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOST_STREAMS } from '@holdfast/protocol/host-streams'
import { GenerationId } from '@holdfast/protocol/identifiers'
import { until } from '@holdfast/testkit/until'
import { HostWorld } from './host-world.fixture.ts'

const LIMIT = { timeout: 60_000 }

test(
  'what is committed is told once each, and the generation of a stop is proven and told',
  LIMIT,
  async () => {
    await using world = await HostWorld.make()
    const agent = await world.agent()
    await agent.open({ services: [service(['sleep', '604'])] })
    await agent.shell('echo one > a')
    const { generation } = await agent.sync()
    await agent.shell('echo two > a')
    const outcome = await agent.close()
    assert.equal(outcome.kind, 'saved')
    const ofType = (type: string) => world.events.filter((event) => event.type === type)
    await until('a drill is told', () => ofType('drill_result').length === 1)
    const [drill] = ofType('drill_result')
    const { head } = await world.leases.index.workspace(world.workspace)
    assert.deepEqual([drill?.payload.generation, drill?.payload.outcome], [head, 'verified'])
    const committed = ofType('generation_committed').map(({ payload }) => payload.generation)
    assert.deepEqual([committed.at(-1), new Set(committed).size], [head, committed.length])
    assert.ok(committed.includes(generation.id))
    const services = ofType('service_status').map(({ payload }) => payload.status)
    assert.deepEqual(services.slice(0, 1).concat(services.slice(-1)), ['healthy', 'ended'])
    assert.ok(world.events.every(({ workspace }) => workspace === world.workspace))
  },
)

test('a stopped workspace is read, taken out as a bundle, and begun anew with it', LIMIT, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  await agent.shell(
    `echo words > a; python3 -c "import sqlite3 as s; c=s.connect('d.db'); c.execute('create table t(a)'); c.execute('insert into t values (7)'); c.commit()"`,
  )
  await agent.close()
  const { workspace, org } = world
  const head = GenerationId.parse((await world.leases.index.workspace(workspace)).head)
  const of = { workspace, org, generation: head }
  const { entries } = await agent.browse.call('listGenerationFiles', { ...of, path: '.', limit: 10 })
  assert.deepEqual(
    entries.map(({ name, kind }) => [name, kind]),
    [
      ['a', 'file'],
      ['d.db', 'database'],
    ],
  )
  const { rows } = await agent.browse.call('queryGeneration', { ...of, path: 'd.db', sql: 'select a from t' })
  assert.deepEqual(rows, [[7]])
  const bundle = await agent.host.stream({
    method: 'GET',
    path: HOST_STREAMS.bundle,
    query: { workspace, org },
  })
  const imported = await world.fork()
  const answer = await agent.host.stream({
    method: 'PUT',
    path: HOST_STREAMS.bundle,
    query: { workspace: imported, org },
    body: bundle.body,
  })
  await answer.body.dump()
  const begun = await agent.open({ workspace: imported })
  assert.equal(begun.head, (await world.leases.index.workspace(imported)).head)
  const text = await agent.files.stream({
    method: 'GET',
    path: HOST_STREAMS.file,
    query: { workspace: imported, path: '/workspace/a' },
  })
  assert.equal(await text.body.text(), 'words\n')
})

function service(argv: string[]) {
  return { name: 'one', argv, cwd: '/workspace', environment: {}, restart: 'always' as const }
}

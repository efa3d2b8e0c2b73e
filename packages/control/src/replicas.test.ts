import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PostgresServer } from '@holdfast/testkit/postgres-server'
import { PostgresStore } from './adapters/postgres-store.ts'
import { Installation } from './control.fixture.ts'

test('two replicas on one Postgres are one control plane', async () => {
  await using server = await PostgresServer.start()
  const options = { connection: server.connection, schema: server.newSchema(), connectionsMax: 6 }
  const openStore = () => PostgresStore.open(options)
  await using first = await Installation.start({ openStore })
  await using second = await Installation.start({ openStore, histories: first.histories }, 0)
  const key = first.adminKey
  const made = await first.ask('POST /v1/workspaces?wait=10s', { body: { name: 'w' } })
  assert.equal(made.body.status, 'idle')
  const run = await second.ask('POST /v1/workspaces/w/execs?wait=10s', { key, body: { shell: 'echo hi' } })
  assert.equal(run.body.exec.exit_code, 0, JSON.stringify(run.body))
  const [stopped, seen] = await Promise.all([
    first.ask('POST /v1/workspaces/w/stop?wait=10s', { body: {} }),
    second.ask('POST /v1/workspaces/w/stop?wait=10s', { key, body: {} }),
  ])
  assert.equal(stopped.body.status, 'stopped')
  assert.equal(seen.body.status, 'stopped')
  const [a, b] = await Promise.all([
    first.ask('POST /v1/workspaces/w/execs?wait=10s', { body: { argv: ['true'], id: 'same' } }),
    second.ask('POST /v1/workspaces/w/execs?wait=10s', { key, body: { argv: ['true'], id: 'same' } }),
  ])
  assert.deepEqual([a.status, b.status], [201, 201], JSON.stringify([a.body, b.body]))
  assert.equal(first.host.find(made.body.id).execs.started, 1)
  assert.equal((await second.ask('GET /v1/audit/verify', { key })).body.outcome, 'whole')
  assert.deepEqual([...first.defects, ...second.defects], [])
})

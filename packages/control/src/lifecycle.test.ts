import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Installation } from './control.fixture.ts'

test('a workspace is created, runs a command, stops, and is resumed by the next command', async () => {
  await using installation = await Installation.start()
  assert.equal(statSync(join(installation.directory, 'admin.key')).mode & 0o777, 0o600)
  const made = await installation.workspace({ name: 'first', labels: { team: 'a' } })
  assert.equal(made.epoch, 1)
  assert.equal(made.host_id, installation.host.id)
  assert.deepEqual(made.labels, { team: 'a' })
  assert.ok(made.allowed_actions.includes('exec'))

  const run = await installation.ask('POST /v1/workspaces/first/execs?wait=10s', {
    body: { shell: 'echo out; echo err >&2; exit 3' },
  })
  assert.equal(run.status, 201, JSON.stringify(run.body))
  assert.equal(run.body.exec.exit_code, 3)
  const text = run.body.output.map((piece: { bytes: string }) =>
    Buffer.from(piece.bytes, 'base64').toString(),
  )
  assert.deepEqual(text.sort(), ['err\n', 'out\n'])

  const stopped = await installation.ask(`POST /v1/workspaces/${made.id}/stop?wait=10s`, { body: {} })
  assert.equal(stopped.body.status, 'stopped')
  assert.match(stopped.body.snapshot_ref, /^[0-9a-f]{64}$/)
  assert.equal(stopped.body.host_id, null)

  const again = await installation.ask('POST /v1/workspaces/first/execs?wait=10s', {
    body: { argv: ['true'] },
  })
  assert.equal(again.body.exec.exit_code, 0, JSON.stringify(again.body))
  const resumed = await installation.ask('GET /v1/workspaces/first')
  assert.equal(resumed.body.status, 'idle')
  assert.equal(resumed.body.epoch, 2)
  assert.deepEqual(installation.defects, [])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '@holdfast/base/failure'
import { Installation } from './control.fixture.ts'

test('a control plane that ends between any two steps of an opening converges once it begins again', async () => {
  for (const call of ['openWorkspace', 'closeWorkspace'] as const) {
    for (const moment of ['before', 'after'] as const) {
      await using installation = await Installation.start()
      const made = call === 'closeWorkspace' ? await installation.workspace() : undefined
      const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
      const { promise: goOn, resolve: proceed } = Promise.withResolvers<void>()
      installation.host.before = async (name) => {
        if (name !== call) return
        arrive()
        if (moment === 'before') throw new Failure('sandbox-failed', 'abandoned before its effect')
        await goOn
      }
      const asked = made
        ? await installation.ask(`POST /v1/workspaces/${made.id}/stop`, { body: {} })
        : await installation.ask('POST /v1/workspaces', { body: {} })
      await arrived
      installation.host.before = () => undefined
      // With 'after' the host does what it was asked, and whoever asked is gone.
      const restarted = installation.restart()
      proceed()
      await restarted
      const wanted = made ? 'stopped' : 'idle'
      const ended = await installation.until(asked.body.id, ({ status }) => status === wanted)
      assert.equal(ended.epoch, 1, `${call} ${moment}`)
      if (made) assert.match(ended.snapshot_ref, /^[0-9a-f]{64}$/, `${call} ${moment}`)
    }
  }
})

test('a workspace whose host fell silent and whose lease ran out runs on another host, its commands lost', async () => {
  await using installation = await Installation.start({ hostSilenceMs: 300 }, 2)
  const made = await installation.workspace()
  const [source, target] = installation.hosts.toSorted((a, b) =>
    a.id === made.host_id ? -1 : b.id === made.host_id ? 1 : 0,
  )
  assert.ok(source && target)
  const exec = await installation.ask(`POST /v1/workspaces/${made.id}/execs`, {
    body: { argv: ['sleep', '60'], id: 'long' },
  })
  assert.equal(exec.body.exec.status, 'running')
  for (let beats = 0; beats < 5; beats++) {
    await target.beat()
    await delay(100)
  }
  const before = await installation.ask(`GET /v1/workspaces/${made.id}`)
  assert.equal(before.body.host_id, source.id, 'while the lease runs nobody else begins')
  let moved = before.body
  for (let beats = 0; beats < 100 && !(moved.host_id === target.id && moved.status === 'idle'); beats++) {
    await target.beat()
    await delay(100)
    moved = (await installation.ask(`GET /v1/workspaces/${made.id}`)).body
  }
  assert.equal(moved.host_id, target.id)
  assert.equal(moved.epoch, 2)
  const lost = await installation.ask(`GET /v1/workspaces/${made.id}/execs/long`)
  assert.equal(lost.body.status, 'lost')
  assert.equal(lost.body.reason, 'node_lost')
  assert.equal(source.find(made.id).execs.started, 1)
  assert.equal(target.find(made.id).execs.started, 0)
  const hosts = await installation.ask('GET /v1/hosts')
  assert.equal(hosts.body.items.find(({ id }: { id: string }) => id === source.id).status, 'lost')
})

test('a host agent that starts again has its workspaces opened anew, under the next epoch', async () => {
  await using installation = await Installation.start()
  const made = await installation.workspace()
  installation.host.drop(made.id)
  await installation.host.register()
  const back = await installation.until(made.id, ({ status, epoch }) => status === 'idle' && epoch === 2)
  assert.equal(back.host_id, installation.host.id)
})

test('a host that was drained takes nothing when it speaks again after a silence, or registers anew', async () => {
  await using installation = await Installation.start({ hostSilenceMs: 1000 })
  const { host } = installation
  const status = async () => (await installation.ask('GET /v1/hosts')).body.items[0].status
  const drained = await installation.ask(`POST /v1/hosts/${host.id}/drain`, { body: {} })
  assert.equal(drained.body.status, 'draining')
  for (const speak of [() => host.beat(), () => host.register()]) {
    for (let waits = 0; waits < 100 && (await status()) !== 'lost'; waits++) await delay(50)
    assert.equal(await status(), 'lost')
    await speak()
    assert.equal(await status(), 'draining')
  }
})

test('after a recovery no sync is acknowledged for what was seen before it', async () => {
  await using installation = await Installation.start()
  const made = await installation.workspace()
  const sync = (body: object) => installation.ask(`POST /v1/workspaces/${made.id}/sync`, { body })
  assert.equal((await sync({ epoch: 1 })).status, 200)
  installation.host.drop(made.id)
  await installation.host.register()
  await installation.until(made.id, ({ status, epoch }) => status === 'idle' && epoch === 2)
  for (const path of ['sync', 'checkpoints']) {
    const refused = await installation.ask(`POST /v1/workspaces/${made.id}/${path}`, { body: { epoch: 1 } })
    assert.equal(refused.status, 409)
    assert.equal(refused.body.error.code, 'lease_lost')
    assert.equal(refused.body.error.details.epoch, 2)
  }
  assert.equal((await sync({ epoch: 2 })).status, 200)
  assert.equal((await sync({})).status, 200)
})

test('a stop that saved everything ends no promise: a sync of the epoch before it is acknowledged', async () => {
  await using installation = await Installation.start()
  const made = await installation.workspace()
  await installation.ask(`POST /v1/workspaces/${made.id}/stop?wait=10s`, { body: {} })
  await installation.ask(`POST /v1/workspaces/${made.id}/resume?wait=10s`, { body: {} })
  const back = await installation.until(made.id, ({ status }) => status === 'idle')
  assert.equal(back.epoch, 2)
  const synced = await installation.ask(`POST /v1/workspaces/${made.id}/sync`, { body: { epoch: 1 } })
  assert.equal(synced.status, 200)
})

test('a sandbox that is gone is stopped; a save that fails with a live one is undone; with none it is told', async () => {
  await using installation = await Installation.start()
  const made = await installation.workspace()
  const { host } = installation
  host.closeOutcome = { kind: 'not-saved', sandbox: 'alive' }
  const undone = await installation.ask(`POST /v1/workspaces/${made.id}/stop?wait=10s`, { body: {} })
  assert.equal(undone.body.status, 'idle')
  assert.match(undone.body.last_snapshot_error, /^store-unavailable/)
  host.closeOutcome = { kind: 'not-saved', sandbox: 'gone' }
  host.find(made.id).facts = { ...host.find(made.id).facts, state: 'sandbox-gone' }
  await host.beat()
  const gone = await installation.until(made.id, ({ status }) => status === 'stopped')
  assert.equal(gone.status_reason, 'sandbox-gone')
  assert.match(gone.last_snapshot_error, /^store-unavailable/)
})

test('an opening that fails is tried again, elsewhere; one that cannot succeed fails with its reason', async () => {
  await using installation = await Installation.start({}, 2)
  const tried = new Set<string>()
  for (const host of installation.hosts)
    host.before = (call) => {
      if (call !== 'openWorkspace' || tried.size === 2) return
      tried.add(host.id)
      throw new Failure('volume-full', 'no room on the disk')
    }
  const made = await installation.ask('POST /v1/workspaces?wait=10s', { body: {} })
  assert.equal(made.body.status, 'idle')
  assert.equal(tried.size, 2)
  const impossible = await installation.ask('POST /v1/workspaces', { body: { isolation_min: 'vm' } })
  const waiting = await installation.until(impossible.body.id, ({ status_reason }) => status_reason !== null)
  assert.equal(waiting.status_reason, 'isolation-unavailable')
  assert.notEqual(waiting.status, 'idle')
})

test('a workspace that rests for its idle timeout is stopped; one with a command that runs is not', async () => {
  await using installation = await Installation.start()
  const made = await installation.workspace({ idle_timeout_ms: 1000 })
  const exec = await installation.ask(`POST /v1/workspaces/${made.id}/execs`, {
    body: { argv: ['sleep', '1.5'] },
  })
  assert.equal(exec.status, 201)
  await delay(1200)
  await installation.host.beat()
  await delay(150)
  assert.equal((await installation.ask(`GET /v1/workspaces/${made.id}`)).body.status, 'idle')
  await delay(400)
  await installation.host.tellExecs()
  await delay(1100)
  await installation.host.beat()
  const stopped = await installation.until(made.id, ({ status }) => status === 'stopped')
  assert.equal(stopped.status_reason, 'idle-timeout')
})

test('a host that runs what it should not is told so, and what it says of another epoch does not count', async () => {
  await using installation = await Installation.start()
  const made = await installation.workspace()
  const { host } = installation
  const stray = host.open(`ws_${'z'.repeat(26)}` as typeof made.id, {
    ...host.find(made.id).facts,
    workspace: `ws_${'z'.repeat(26)}` as typeof made.id,
  })
  assert.ok(stray)
  await installation.histories.create({ org: 'o', workspace: stray.facts.workspace, forkedFrom: null })
  host.find(made.id).facts = { ...host.find(made.id).facts, syncLagMs: 77 }
  await host.beat()
  assert.deepEqual([...host.workspaces.keys()], [made.id])
  assert.equal((await installation.ask(`GET /v1/workspaces/${made.id}`)).body.sync_lag_ms, 77)
})

test('a removed workspace is gone at once, its sandbox soon, and its name is free', async () => {
  await using installation = await Installation.start()
  const made = await installation.workspace({ name: 'again' })
  const refused = await installation.ask(`DELETE /v1/workspaces/${made.id}`)
  assert.equal(refused.body.error.code, 'invalid_state')
  assert.equal((await installation.ask('DELETE /v1/workspaces/again?force=true')).status, 204)
  assert.equal((await installation.ask('GET /v1/workspaces/again')).status, 404)
  const { host } = installation
  for (let waited = 0; waited < 200 && !host.calls.includes('forgetWorkspace'); waited++) await delay(20)
  assert.ok(host.calls.includes('forgetWorkspace'))
  assert.equal(host.workspaces.size, 0)
  await installation.workspace({ name: 'again' })
})

test('who follows a command is told of its loss, although its host is gone with the log', async () => {
  await using installation = await Installation.start({ hostSilenceMs: 300 }, 2)
  const made = await installation.workspace()
  const [source, target] = installation.hosts.toSorted((a) => (a.id === made.host_id ? -1 : 1))
  assert.ok(source && target)
  const base = `/v1/workspaces/${made.id}/execs`
  await installation.ask(`POST ${base}`, { body: { shell: 'echo begun; sleep 60', id: 'long' } })
  const headers = { authorization: `Bearer ${installation.adminKey}` }
  const followed = await fetch(`${installation.url}${base}/long/output?follow=true`, { headers })
  const text = followed.text()
  await delay(200)
  await source[Symbol.asyncDispose]()
  const beating = setInterval(() => void target.beat().catch(() => {}), 100) // the last one may meet the end
  try {
    const told = Array.from((await text).matchAll(/^event: (.*)\ndata: (.*)$|^event: chunk$/gm))
    // A gap is told where the host had reported more than came over.
    const types = told.map(([, type = 'chunk']) => type).filter((type) => type !== 'gap')
    assert.deepEqual(types, ['chunk', 'end'])
    const end = JSON.parse(told.at(-1)?.[2] ?? '')
    assert.deepEqual([end.status, end.reason], ['lost', 'node_lost'])
  } finally {
    clearInterval(beating)
  }
})

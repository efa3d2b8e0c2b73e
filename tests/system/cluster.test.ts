import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Workspace } from '@holdfast/client/workspace'
import { HoldProcess } from '@holdfast/testkit/cli-journeys'
import { Cluster, type ReplicaName } from './cluster.ts'

const RECOVERY_MS_MAX = 60_000

/** As a browser does whose resolver knows the name. */
async function readApp(gateway: string, { host }: URL): Promise<string> {
  const request = get(new URL('/a', gateway), { headers: { host }, agent: false })
  const [response] = await once(request, 'response')
  const body = await text(response)
  return response.statusCode === 200 ? body : ''
}

describe('several machines, as docs/cluster.md sets them up', { concurrency: 1 }, () => {
  let cluster: Cluster
  let workspace: Workspace

  before(async () => {
    cluster = await Cluster.start()
    workspace = await cluster.clients.a.create({ name: 'moved' })
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  /** The process of the host that runs it. */
  async function hostOf(one: Workspace): Promise<ReplicaName> {
    const { hostId } = (await one.refresh()).state
    for await (const host of cluster.clients.b.platform.hosts())
      if (host.id === hostId) return `host-${host.name === 'a' ? 'a' : 'b'}`
    throw new Error(`${one.name} runs on no host`)
  }

  async function until(isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + RECOVERY_MS_MAX
    while (!(await isSo())) {
      assert.ok(performance.now() < deadline, 'it takes too long')
      await delay(200)
    }
  }

  test('what one control is told, the other one knows', async () => {
    const { stdout } = await workspace.exec('echo one > a; hostname; id -u')
    assert.match(stdout, /\n1000\n$/)
    const { generation } = await workspace.sync()
    const seen = await cluster.clients.b.connect('moved')
    assert.equal(seen.state.headGeneration, generation.id)
    const fork = await seen.fork({ name: 'forked' })
    assert.equal(await fork.files.readText('a'), 'one\n')
    const keys = []
    for await (const key of cluster.clients.b.platform.keys()) keys.push(key.name)
    assert.deepEqual(keys, ['admin'], 'one first start for all')
  })

  test('a handoff takes a workspace to the other host with what was not synced', async () => {
    const from = await hostOf(workspace)
    await workspace.exec('echo two > b')
    const { pauseMs } = await workspace.handoff()
    assert.ok(pauseMs > 0)
    assert.notEqual(await hostOf(workspace), from)
    assert.equal((await workspace.exec('cat a b')).stdout, 'one\ntwo\n')
  })

  test('a request for a served app finds the host that runs it', async () => {
    const service = { name: 'web', argv: ['python3', '-m', 'http.server', '8000'] }
    await workspace.services.create(service)
    const url = new URL(await workspace.url(8000, { access: 'public' }))
    await until(async () => (await readApp(cluster.urls.apps, url)) === 'one\n')
    await workspace.handoff()
    await until(async () => (await readApp(cluster.urls.apps, url)) === 'one\n')
  })

  test('a control and a lease role are killed, and everybody goes on by the others', async () => {
    const { epoch } = (await workspace.refresh()).state
    await cluster.role('control-a').end('SIGKILL')
    await cluster.role('lease-a').end('SIGKILL')
    const seen = await cluster.clients.b.connect('moved')
    assert.equal((await seen.exec('echo three > c; cat a')).stdout, 'one\n')
    await seen.sync()
    await delay(8_000) // longer than a lease: somebody renews it
    await seen.refresh()
    assert.deepEqual([seen.status, seen.state.epoch], ['idle', epoch])
    const another = await cluster.clients.b.create({ name: 'another' })
    assert.equal((await another.exec('echo runs')).stdout, 'runs\n')
    await Promise.all([cluster.role('control-a').start(), cluster.role('lease-a').start()])
    await cluster.role('control-b').end('SIGKILL')
    await cluster.role('lease-b').end('SIGKILL')
    assert.equal((await workspace.exec('cat c')).stdout, 'three\n')
    await Promise.all([cluster.role('control-b').start(), cluster.role('lease-b').start()])
  })

  test('a host is killed, and what was synced goes on elsewhere', async () => {
    await workspace.exec('echo four > d')
    await workspace.sync()
    const { epoch } = (await workspace.refresh()).state
    const running = await workspace.exec('sleep 300', { detached: true })
    const dead = await hostOf(workspace)
    await cluster.role(dead).end('SIGKILL')
    await until(async () => (await workspace.refresh()).status === 'idle' && workspace.state.epoch > epoch)
    assert.notEqual(await hostOf(workspace), dead)
    assert.equal((await workspace.exec('cat a b c d')).stdout, 'one\ntwo\nthree\nfour\n')
    const lost = await running.wait()
    assert.deepEqual([lost.status, lost.reason], ['lost', 'node_lost'])
    await cluster.role(dead).start()
  })

  test('a drained host hands all that it runs to the other', async () => {
    const full = await hostOf(workspace)
    await workspace.exec('echo five > e')
    using hold = new HoldProcess({ url: cluster.urls.b, apiKey: cluster.apiKey })
    await hold.printed('hosts', 'drain', full.slice('host-'.length))
    await until(async () => (await hostOf(workspace)) !== full)
    assert.equal((await workspace.exec('cat e')).stdout, 'five\n')
    await until(async () => {
      const rows: { name: string; workspaces: number; status: string }[] = JSON.parse(
        await hold.printed('hosts', '-o', 'json'),
      )
      return rows.find(({ name }) => full.endsWith(name))?.workspaces === 0
    })
    await cluster.role(full).end('SIGTERM')
    assert.match(await hold.printed('audit', 'verify'), /^Whole/)
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '@holdfast/base/failure'
import { World } from './gateway.fixture.ts'

const LIMIT = { timeout: 20_000 }

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

test(
  'a request wakes a stopped workspace once for all who wait, and waits until its app listens',
  LIMIT,
  async () => {
    await using world = await World.start()
    const port = await freePort()
    world.expose(port, 'public', { hostAddress: null })
    const app = createServer((_request, response) => response.end('awake'))
    world.stack.defer(() => {
      app.close()
    })
    let wakes = 0
    world.onResume = async () => {
      if (++wakes === 1) throw new Failure('no-host', 'none has room yet')
      await delay(100)
      world.expose(port, 'public')
      if (wakes === 2) void delay(300).then(() => void app.listen(port, '127.0.0.1'))
    }
    const answers = await Promise.all(Array.from({ length: 5 }, () => world.ask({ port })))
    for (const answer of answers) assert.equal(answer.body, 'awake')
    assert.ok(wakes >= 2 && wakes < 12, `${wakes} wakes`)
  },
)

test('nobody waits longer than the limit, and hears nothing of hosts', LIMIT, async () => {
  await using world = await World.start({ limits: { wakeMs: 300 } })
  world.expose(5, 'public', { hostAddress: `unix:${world.directory}/secret-place` })
  const down = await world.ask({ port: 5 })
  assert.equal(down.status, 503)
  assert.ok(Number(down.headers['retry-after']) > 0)
  assert.ok(!down.body.includes('secret-place'))
  assert.equal(JSON.parse(down.body).error.code, 'host_unreachable')
  assert.deepEqual(
    world.asked.map(({ resume }) => resume),
    [false, true],
  )
  world.expose(6, 'public', { hostAddress: null })
  const begin = performance.now()
  assert.equal((await world.ask({ port: 6 })).status, 503)
  assert.ok(performance.now() - begin < 3000)
})

test('a port that nobody listens on is told so at once', LIMIT, async () => {
  await using world = await World.start()
  const port = await freePort()
  world.expose(port, 'public')
  const answer = await world.ask({ port })
  assert.equal(answer.status, 502)
  assert.equal(JSON.parse(answer.body).error.code, 'port_unreachable')
})

test('a workspace that cannot be resumed is refused with its reason', LIMIT, async () => {
  await using world = await World.start()
  world.expose(5, 'public', { hostAddress: null })
  world.onResume = async () => {
    throw new Failure('invalid-state', 'it has failed')
  }
  const answer = await world.ask({ port: 5 })
  assert.equal(answer.status, 409)
})

test('why no host has room is told to nobody who only visits', LIMIT, async () => {
  await using world = await World.start({ limits: { wakeMs: 100 } })
  world.expose(5, 'public', { hostAddress: null })
  world.onResume = async () => {
    throw new Failure('no-host', 'host_secret is full')
  }
  const answer = await world.ask({ port: 5 })
  assert.equal(answer.status, 503)
  assert.equal(JSON.parse(answer.body).error.code, 'sandbox_gone')
  assert.ok(!answer.body.includes('hold'))
})

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { DOMAIN, WORKSPACE, World } from './gateway.fixture.ts'

const LIMIT = { timeout: 20_000 }

test('a request reaches the app by name, by id, by headers and by path', LIMIT, async () => {
  await using world = await World.start()
  const port = await world.serve('public', (request, response) =>
    response.end(`${request.method} ${request.url}`),
  )
  const byName = await world.ask({ port, path: '/a?b=%20c' })
  assert.equal(byName.body, 'GET /a?b=%20c')
  const byId = await world.ask({
    port,
    host: `${port}-${WORKSPACE.replace('_', '-')}.${DOMAIN}:80`,
    method: 'DELETE',
  })
  assert.equal(byId.body, 'DELETE /')
  for (const host of [DOMAIN, 'localhost:1', '127.0.0.1', '[::1]:7']) {
    const headers = { 'holdfast-workspace': WORKSPACE, 'holdfast-port': String(port) }
    assert.equal((await world.ask({ port, host, path: '/h', headers })).body, 'GET /h')
  }
  const path = `/w/demo/p/${port}/deep/er?x=1`
  const headers = { 'holdfast-token': world.token({ port }) }
  const byPath = await world.ask({ port, host: DOMAIN, path, headers })
  assert.equal(byPath.body, 'GET /deep/er?x=1')
  assert.equal(byPath.headers['content-security-policy'], 'sandbox')
  assert.equal((await world.ask({ port, host: DOMAIN, path })).status, 404)
  assert.deepEqual(world.defects, [])
})

test('50 MB go up and come down whole, and an app that does not read stops the sender', LIMIT, async () => {
  await using world = await World.start()
  const read = Promise.withResolvers<void>()
  const port = await world.serve('public', (request, response) => {
    void read.promise.then(() => request.pipe(response))
  })
  const block = randomBytes(1 << 20)
  const [sent, heard] = [createHash('sha256'), createHash('sha256')]
  const upload = httpRequest({
    port: world.gateway.address.port,
    method: 'POST',
    agent: false,
    headers: { host: `${port}-demo.${DOMAIN}`, 'content-length': 50 * block.length },
  })
  const answered = once(upload, 'response').then(async ([response]: IncomingMessage[]) => {
    for await (const part of response ?? []) heard.update(part)
  })
  let stalledAt = 0
  for (let count = 0; count < 50; count++) {
    sent.update(block)
    if (upload.write(block)) continue
    const drained = once(upload, 'drain')
    const isStalled = await Promise.race([drained.then(() => false), delay(500).then(() => true)])
    if (isStalled && stalledAt === 0) {
      stalledAt = count
      read.resolve()
    }
    await drained
  }
  upload.end()
  await answered
  assert.equal(heard.digest('hex'), sent.digest('hex'))
  assert.ok(stalledAt > 0 && stalledAt < 30, `it stalled after ${stalledAt} MiB`)
})

test(
  'server-sent events arrive one by one, and a visitor who leaves is gone for the app too',
  LIMIT,
  async () => {
    await using world = await World.start()
    const ended = Promise.withResolvers<void>()
    let send = (_text: string) => {}
    const port = await world.serve('public', (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      response.on('close', ended.resolve)
      send = (text) => response.write(`data: ${text}\n\n`)
    })
    const request = httpRequest({
      port: world.gateway.address.port,
      headers: { host: `${port}-demo.${DOMAIN}` },
    })
    request.end()
    const [response]: IncomingMessage[] = await once(request, 'response')
    for (const text of ['one', 'two']) {
      send(text)
      const [part] = await once(response as IncomingMessage, 'data')
      assert.equal(String(part), `data: ${text}\n\n`)
    }
    response?.destroy()
    await ended.promise
  },
)

test('connections to the app are kept, and a new epoch uses none of the old', LIMIT, async () => {
  await using world = await World.start()
  const port = await world.serve('public', (request, response) =>
    response.end(String(request.socket.remotePort)),
  )
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = async () => {
    const headers = { host: `${port}-demo.${DOMAIN}` }
    const request = httpRequest({ port: world.gateway.address.port, agent, headers })
    request.end()
    const [response]: IncomingMessage[] = await once(request, 'response')
    return { text: (await response?.toArray())?.join(''), isReused: request.reusedSocket }
  }
  const first = await ask()
  for (let count = 0; count < 5; count++) assert.deepEqual(await ask(), { text: first.text, isReused: true })
  assert.equal(world.host.opened, 1)
  world.host.epoch = 2
  world.expose(port, 'public')
  await delay(1010)
  assert.notEqual((await ask()).text, first.text)
  assert.equal(world.host.opened, 2)
  agent.destroy()
})

test(
  'a host that refuses the epoch is asked for under the next one, with the body whole',
  LIMIT,
  async () => {
    await using world = await World.start()
    const port = await world.serve('public', (request, response) => request.pipe(response))
    assert.equal((await world.ask({ port })).status, 200)
    world.host.epoch = 2
    world.expose(port, 'public')
    const moved = await world.ask({
      port,
      method: 'POST',
      body: 'x'.repeat(100_000),
      headers: { connection: 'close' },
    })
    assert.equal(moved.body.length, 100_000)
  },
)

test('what is asked at once is resolved once, and again after a second', LIMIT, async () => {
  await using world = await World.start()
  const port = await world.serve('public', (_request, response) => response.end('ok'))
  await Promise.all(Array.from({ length: 20 }, () => world.ask({ port })))
  assert.equal(world.asked.length, 1)
  await delay(1010)
  await world.ask({ port })
  assert.equal(world.asked.length, 2)
})

test('an app that closed the kept connection is asked again for what is safe to repeat', LIMIT, async () => {
  await using world = await World.start()
  let served = 0
  const port = await world.serve('public', (request, response) => {
    served++
    if (request.url === '/gone') request.socket.destroy()
    else response.end('ok')
  })
  assert.equal((await world.ask({ port })).body, 'ok')
  assert.equal((await world.ask({ port, path: '/gone' })).status, 502)
  assert.equal(served, 3)
  assert.equal((await world.ask({ port })).body, 'ok')
  assert.equal((await world.ask({ port, path: '/gone', method: 'POST', body: 'x' })).status, 502)
  assert.equal(served, 5)
})

test(
  'an app that answers before it has read leaves the connection of the visitor usable',
  LIMIT,
  async () => {
    await using world = await World.start()
    const port = await world.serve('public', (_request, response) => {
      response.writeHead(413).end('too much')
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const headers = { host: `${port}-demo.${DOMAIN}` }
    for (const isReused of [false, true]) {
      const request = httpRequest({ port: world.gateway.address.port, method: 'POST', agent, headers })
      request.end(Buffer.alloc(5 << 20))
      const [response]: IncomingMessage[] = await once(request, 'response')
      assert.equal(response?.statusCode, 413)
      assert.equal((await response?.toArray())?.join(''), 'too much')
      assert.equal(request.reusedSocket, isReused)
      if (!request.writableFinished) await once(request, 'finish')
      await delay(50)
    }
    agent.destroy()
  },
)

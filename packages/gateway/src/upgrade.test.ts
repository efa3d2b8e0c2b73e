import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { DOMAIN, World } from './gateway.fixture.ts'

const LIMIT = { timeout: 20_000 }

async function worldWithSocket(access: 'private' | 'public') {
  const world = await World.start()
  const server = createServer()
  const sockets = new WebSocketServer({ server, handleProtocols: (offered) => [...offered][0] ?? false })
  const origins: (string | undefined)[] = []
  sockets.on('connection', (socket, request) => {
    origins.push(request.headers.origin)
    socket.on('message', (bytes, isBinary) => socket.send(bytes, { binary: isBinary }))
    socket.send('hello')
  })
  const port = await world.serveOn(access, server)
  const dial = (path = '/', headers: Record<string, string> = {}) =>
    new WebSocket(`ws://127.0.0.1:${world.gateway.address.port}${path}`, ['chat'], {
      headers: { host: `${port}-demo.${DOMAIN}`, ...headers },
    })
  return { world, port, dial, origins, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

async function refusedWith(socket: WebSocket): Promise<number | undefined> {
  const [, response] = await once(socket, 'unexpected-response')
  socket.on('error', () => {})
  socket.terminate()
  return response.statusCode
}

test('a WebSocket carries text and large binary frames both ways, and its end', LIMIT, async () => {
  await using served = await worldWithSocket('public')
  const origin = `http://${served.port}-demo.${DOMAIN}`
  const socket = served.dial('/', { origin })
  const [hello] = await once(socket, 'message')
  assert.equal(String(hello), 'hello')
  assert.equal(socket.protocol, 'chat')
  assert.deepEqual(served.origins, [`http://localhost:${served.port}`])
  const bytes = Buffer.alloc(3 << 20, 7)
  socket.send(bytes)
  const [echo] = await once(socket, 'message')
  assert.ok(bytes.equals(echo))
  socket.close(4001, 'done')
  const [code] = await once(socket, 'close')
  assert.equal(code, 4001)
})

test('a WebSocket of a page of another origin is refused, on a public port too', LIMIT, async () => {
  await using served = await worldWithSocket('public')
  for (const origin of [
    'http://evil.test',
    `http://1-demo.${DOMAIN}`,
    `https://${served.port}-demo.${DOMAIN}`,
    'null',
  ])
    assert.equal(await refusedWith(served.dial('/', { origin })), 403, origin)
  assert.deepEqual(served.origins, [])
})

test('a private WebSocket needs a token, which the app does not see', LIMIT, async () => {
  await using served = await worldWithSocket('private')
  const { world, port, dial } = served
  assert.equal(await refusedWith(dial()), 404)
  const token = world.token({ port })
  for (const socket of [
    dial(`/?holdfast_token=${token}`),
    dial('/', { 'holdfast-token': token }),
    dial('/', { cookie: `holdfast-dev=${token}` }),
  ]) {
    const [hello] = await once(socket, 'message')
    assert.equal(String(hello), 'hello')
    socket.terminate()
  }
})

test('another protocol is switched to as well, with the bytes that came early', LIMIT, async () => {
  await using world = await World.start()
  const server = createServer()
  server.on('upgrade', (request, socket, head) => {
    const isWanted = request.headers.upgrade === 'echo/1'
    socket.write(
      `HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\nX-Wanted: ${isWanted}\r\n\r\nearly`,
    )
    if (head.length > 0) socket.write(head)
    socket.pipe(socket)
  })
  const port = await world.serveOn('public', server)
  const socket = connect(world.gateway.address.port, '127.0.0.1')
  socket.write(
    `GET / HTTP/1.1\r\nHost: ${port}-demo.${DOMAIN}\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\nsent`,
  )
  let heard = ''
  for await (const part of socket) {
    heard += part
    if (heard.endsWith('earlysent')) break
  }
  assert.match(heard, /^HTTP\/1\.1 101 Go\r\n/)
  assert.match(heard, /X-Wanted: true\r\n/)
})

test('what does not upgrade answers as ever', LIMIT, async () => {
  await using world = await World.start()
  const port = await world.serve('public', (_request, response) => response.writeHead(426).end('plain'))
  const answer = await world.raw(
    `GET / HTTP/1.1\r\nHost: ${port}-demo.${DOMAIN}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  )
  assert.match(answer, /^HTTP\/1\.1 426 /)
  assert.match(answer, /plain/)
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { DOMAIN, World } from './gateway.fixture.ts'

const LIMIT = { timeout: 20_000 }

async function worldThatCounts() {
  const world = await World.start({ limits: { headersMs: 500 } })
  const reached: string[] = []
  const port = await world.serve('public', (request, response) => {
    reached.push(`${request.method} ${request.url}`)
    request.resume()
    response.end('ok')
  })
  const host = `Host: ${port}-demo.${DOMAIN}\r\n`
  return { world, port, host, reached, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

test(
  'a request that two servers may read as two different ones is refused, and nothing behind it is read',
  LIMIT,
  async () => {
    await using served = await worldThatCounts()
    const { world, host, reached } = served
    const behind = `GET /smuggled HTTP/1.1\r\n${host}\r\n`
    const chunk = '0\r\n\r\n'
    const heads = [
      'Content-Length: 6\r\nTransfer-Encoding: chunked\r\n',
      'Transfer-Encoding: chunked\r\nContent-Length: 6\r\n',
      'Transfer-Encoding: gzip, chunked\r\n',
      'Transfer-Encoding: chunked, identity\r\n',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
      'Transfer-Encoding: xchunked\r\n',
      'Transfer-Encoding : chunked\r\n',
      'Transfer-Encoding:\x0bchunked\r\n',
      'X: 1\r\n Transfer-Encoding: chunked\r\n',
      'X: 1\r\n\tfolded\r\n',
      'Content-Length: 5\r\nContent-Length: 6\r\n',
      'Content-Length: 5, 5\r\n',
      'Content-Length: +5\r\n',
      'Content-Length: 0x5\r\n',
      'Content-Length: -1\r\n',
      `Host: other.${DOMAIN}\r\n`,
      'X\x00: 1\r\n',
      'X: a\rb\r\n',
      'Connection: upgrade\r\nUpgrade: any\r\nContent-Length: 5\r\n',
    ]
    for (const head of heads) {
      const answer = await world.raw(`POST /first HTTP/1.1\r\n${host}${head}\r\n${chunk}${behind}`)
      assert.match(answer, /^HTTP\/1\.1 400 /, JSON.stringify(head))
    }
    for (const line of [
      'GET http://evil.test/ HTTP/1.1',
      'GET * HTTP/1.1',
      'OPTIONS * HTTP/1.1',
      'GET /a b HTTP/1.1',
    ])
      assert.match(await world.raw(`${line}\r\n${host}Connection: close\r\n\r\n`), /^HTTP\/1\.1 400 /, line)
    assert.match(await world.raw('GET / HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /)
    assert.deepEqual(reached, [])
  },
)

test(
  'requests that follow one another on a connection are two, and each is routed by itself',
  LIMIT,
  async () => {
    await using served = await worldThatCounts()
    const { world, host, reached } = served
    const first = `POST /1 HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`
    const second = `GET /2 HTTP/1.1\r\nHost: 1-nobody.${DOMAIN}\r\nConnection: close\r\n\r\n`
    const answer = await world.raw(first + second)
    assert.deepEqual(
      [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
      ['200', '404'],
    )
    assert.deepEqual(reached, ['POST /1'])
  },
)

test('an upgrade to HTTP/2 is answered in HTTP/1.1, so that nothing passes unseen', LIMIT, async () => {
  await using served = await worldThatCounts()
  const { world, host } = served
  const upgrade =
    'Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'
  assert.match(await world.raw(`GET / HTTP/1.1\r\n${host}${upgrade}\r\n`), /^HTTP\/1\.1 200 /)
})

test('long request lines and headers are refused', LIMIT, async () => {
  await using served = await worldThatCounts()
  const { world, host, reached } = served
  const line = `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`
  assert.match(await world.raw(line), /^HTTP\/1\.1 413 /)
  const header = `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(17_000)}\r\n\r\n`
  assert.match(await world.raw(header), /^HTTP\/1\.1 431 /)
  assert.deepEqual(reached, [])
})

test('who sends headers slowly is cut off, while others are served', LIMIT, async () => {
  await using served = await worldThatCounts()
  const { world, port, host } = served
  const slow = connect(world.gateway.address.port, '127.0.0.1')
  slow.on('error', () => {})
  const heard = slow.toArray()
  slow.write(`GET / HTTP/1.1\r\n${host}`)
  const drip = setInterval(() => slow.write('X: 1\r\n'), 50)
  assert.equal((await world.ask({ port })).status, 200)
  const begin = performance.now()
  await Promise.race([once(slow, 'close'), delay(5000)])
  clearInterval(drip)
  assert.ok(slow.destroyed && performance.now() - begin < 4000)
  assert.match((await heard).join(''), /^HTTP\/1\.1 408 /)
})

test(
  'a workspace has so many requests open and no more, and another is served meanwhile',
  LIMIT,
  async () => {
    await using world = await World.start({ limits: { openPerWorkspaceMax: 3 } })
    const release = Promise.withResolvers<void>()
    const port = await world.serve('public', (_request, response) => {
      void release.promise.then(() => response.end('ok'))
    })
    const open = Array.from({ length: 3 }, () => world.ask({ port }))
    await delay(100)
    const refused = await world.ask({ port })
    assert.equal(refused.status, 429)
    assert.ok(refused.headers['retry-after'])
    const other = `ws_${'d'.repeat(26)}` as never
    const free = await world.serve('public', (_request, response) => response.end('free'))
    world.expose(free, 'public', { workspace: other })
    assert.equal((await world.ask({ port: free })).body, 'free')
    release.resolve()
    for (const answer of await Promise.all(open)) assert.equal(answer.status, 200)
    assert.equal((await world.ask({ port })).status, 200)
  },
)

test('an app that speaks no HTTP, or breaks off, is a bad gateway or a cut connection', LIMIT, async () => {
  await using world = await World.start()
  const port = await world.serve('public', (request, response) => {
    if (request.url === '/zero') response.socket?.end('HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n')
    else if (request.url === '/noise') response.socket?.end('noise\r\n\r\n')
    else if (request.url === '/both')
      response.socket?.end(
        'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      )
    else {
      response.writeHead(200, { 'content-length': 10 })
      response.write('short', () => response.destroy())
    }
  })
  assert.equal((await world.ask({ port, path: '/noise' })).status, 502)
  assert.equal((await world.ask({ port, path: '/zero' })).status, 502)
  assert.equal((await world.ask({ port, path: '/both' })).status, 502)
  await assert.rejects(world.ask({ port, path: '/short' }), { code: 'ECONNRESET' })
})

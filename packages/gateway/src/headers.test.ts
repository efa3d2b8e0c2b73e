import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newIdentifier } from '@holdfast/base/identifier'
import { systemRandomness } from '@holdfast/base/randomness'
import { DOMAIN, World } from './gateway.fixture.ts'

const LIMIT = { timeout: 20_000 }

test(
  'the app is told the public name in X-Forwarded-*, its own as Host, and nothing of the connection',
  LIMIT,
  async () => {
    await using world = await World.start()
    const port = await world.serve('public', (request, response) =>
      response.end(JSON.stringify(request.headers)),
    )
    const headers = {
      connection: 'keep-alive, x-one, host, content-length',
      'x-one': '1',
      'keep-alive': 'timeout=9',
      te: 'trailers',
      'proxy-authorization': 'Basic x',
      'x-forwarded-for': '6.6.6.6',
      'x-forwarded-host': 'evil.test',
      'x-forwarded-proto': 'https',
      forwarded: 'for=6.6.6.6',
      'x-real-ip': '6.6.6.6',
      'x-two': 'kept',
    }
    const told = JSON.parse((await world.ask({ port, headers })).body)
    assert.deepEqual(told, {
      host: `localhost:${port}`,
      'x-two': 'kept',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': `${port}-demo.${DOMAIN}`,
      'x-forwarded-proto': 'http',
      connection: 'keep-alive',
    })
  },
)

test(
  'no app is shown a key of ours, and each is shown the authorisation that is its own',
  LIMIT,
  async () => {
    await using world = await World.start()
    const port = await world.serve('public', (request, response) =>
      response.end(JSON.stringify(request.headers.authorization ?? null)),
    )
    const told = async (authorization: string) =>
      JSON.parse((await world.ask({ port, headers: { authorization } })).body)
    const key = `hf_${newIdentifier('key', systemRandomness).slice('key_'.length)}_${'0a'.repeat(32)}`
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
    const ours = [`Bearer ${key}`, `bearer  ${key}`, `Bearer ${key.toUpperCase()}`, `token ${key}`, key]
    for (const value of [...ours, basic(`user:${key}`), basic(`${key}:`), `Bearer ${world.token({ port })}`])
      assert.equal(await told(value), null, value)
    const foreign = ['hf_AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh', 'sk_live_1', 'key_1', 'eyJh.eyJz.c2ln', 'hx1.']
    for (const value of [...foreign.map((token) => `Bearer ${token}`), basic('user:password')])
      assert.equal(await told(value), value)
  },
)

test("what a proxy of ours says of the visitor is passed on, with the proxy's address", LIMIT, async () => {
  await using world = await World.start({ isBehindProxy: true })
  const port = await world.serve('public', (request, response) =>
    response.end(request.headers['x-forwarded-for']),
  )
  assert.equal(
    (await world.ask({ port, headers: { 'x-forwarded-for': '9.9.9.9' } })).body,
    '9.9.9.9, 127.0.0.1',
  )
})

test('cookies of an app keep to their host, and none is named as ours', LIMIT, async () => {
  await using world = await World.start()
  const port = await world.serve('public', (_request, response) => {
    response.setHeader('set-cookie', [
      'a=1; Domain=apps.test; Path=/',
      'b=2; domain = .apps.test;Secure',
      'c=3;DOMAIN',
      'd=domain=x; HttpOnly',
      '__Host-holdfast=x; Path=/; Secure',
      '__HOST-Holdfast=x',
      ' holdfast-dev =x',
      '=holdfast-dev=x',
      'holdfast-dev',
    ])
    response.setHeader('alt-svc', 'h2="evil.test:443"')
    response.setHeader('holdfast-error', 'not_found')
    response.setHeader('x-own', ['1', '2'])
    response.end()
  })
  const { headers } = await world.ask({ port })
  assert.deepEqual(headers['set-cookie'], ['a=1; Path=/', 'b=2;Secure', 'c=3', 'd=domain=x; HttpOnly'])
  assert.equal(headers['alt-svc'], undefined)
  assert.equal(headers['holdfast-error'], undefined)
  assert.equal(headers['x-own'], '1, 2')
  const byPath = await world.ask({
    port,
    host: DOMAIN,
    path: `/w/demo/p/${port}/`,
    headers: { 'holdfast-token': world.token({ port }), cookie: 'other=1' },
  })
  assert.equal(byPath.headers['set-cookie'], undefined)
})

test('a redirect to what the app takes for itself leads to its public place', LIMIT, async () => {
  await using world = await World.start()
  const port = await world.serve('public', (request, response) => {
    const places: Record<string, string> = {
      '/own': `http://${request.headers.host}/next`,
      '/bare': `http://${request.headers.host}`,
      '/near': `http://${request.headers.host}0/x`,
      '/path': '/next',
    }
    response.writeHead(302, { location: places[request.url ?? ''] ?? '' }).end()
  })
  const place = async (path: string) => (await world.ask({ port, path })).headers.location
  assert.equal(await place('/own'), `http://${port}-demo.${DOMAIN}/next`)
  assert.equal(await place('/bare'), `http://${port}-demo.${DOMAIN}`)
  assert.equal(await place('/near'), `http://localhost:${port}0/x`)
  assert.equal(await place('/path'), '/next')
})

test('bodies are framed as they came: a length, chunks, or none', LIMIT, async () => {
  await using world = await World.start()
  const port = await world.serve('public', (request, response) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    void request.toArray().then((parts) => response.end(JSON.stringify([length, encoding, parts.join('')])))
  })
  const framed = async (head: string, body = '') => {
    const lines = `${head} / HTTP/1.1\r\nHost: ${port}-demo.${DOMAIN}\r\nConnection: close\r\n`
    const [, answer = ''] = (await world.raw(`${lines}${body}`)).split('\r\n\r\n')
    return JSON.parse(/\[.*\]/.exec(answer)?.[0] ?? answer)
  }
  assert.deepEqual(await framed('GET', '\r\n'), [null, null, ''])
  assert.deepEqual(await framed('POST', '\r\n'), ['0', null, ''])
  assert.deepEqual(await framed('DELETE', 'Content-Length: 2\r\n\r\nab'), ['2', null, 'ab'])
  assert.deepEqual(await framed('GET', 'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n'), [
    null,
    'chunked',
    'ab',
  ])
})

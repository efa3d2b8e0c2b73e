import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ExposureLinks } from '@holdfast/base/exposure-link'
import { type Answer, DOMAIN, ORG, World } from './gateway.fixture.ts'
import { GATEWAY_LIMITS } from './limits.ts'

const LIMIT = { timeout: 20_000 }
const PAGE = { accept: 'text/html,*/*;q=0.8', 'sec-fetch-mode': 'navigate' }

async function worldWithEcho(access: 'private' | 'org' | 'public') {
  const world = await World.start()
  const port = await world.serve(access, (request, response) => {
    response.end(JSON.stringify({ url: request.url, headers: request.headers, raw: request.rawHeaders }))
  })
  return { world, port, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

function seen(answer: Answer): { url: string; headers: Record<string, string>; raw: string[] } {
  assert.equal(answer.status, 200, answer.body)
  return JSON.parse(answer.body)
}

test(
  'a link opens the port once, becomes a cookie of this host only, and leaves the address',
  LIMIT,
  async () => {
    await using served = await worldWithEcho('private')
    const { world, port } = served
    const token = world.token({ port })
    const first = await world.ask({ port, path: `/a?x=1&holdfast_token=${token}&y=2`, headers: PAGE })
    assert.equal(first.status, 302)
    assert.equal(first.headers.location, '/a?x=1&y=2')
    assert.equal(first.headers['referrer-policy'], 'no-referrer')
    const [cookie = ''] = first.headers['set-cookie'] ?? []
    assert.match(cookie, /^holdfast-dev=hx1\.[^;]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/)
    const [pair = ''] = cookie.split(';')
    const then = seen(await world.ask({ port, path: '/a', headers: { cookie: `a=1; ${pair}; b=2` } }))
    assert.equal(then.headers.cookie, 'a=1; b=2')
    assert.equal(
      (await world.ask({ port, path: '/a', headers: { cookie: 'holdfast-dev=hx1.x.y' } })).status,
      404,
    )
  },
)

test('behind TLS the cookie has the prefix that keeps neighbours from setting it', LIMIT, async () => {
  await using world = await World.start({ scheme: 'https' })
  const port = await world.serve('private', (_request, response) => response.end('ok'))
  const answer = await world.ask({ port, path: `/?holdfast_token=${world.token({ port })}`, headers: PAGE })
  const [cookie = ''] = answer.headers['set-cookie'] ?? []
  assert.match(cookie, /^__Host-holdfast=[^;]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/)
})

test('the redirect stays on this host, whatever the path', LIMIT, async () => {
  await using served = await worldWithEcho('private')
  const { world, port } = served
  const path = `//evil.test/a?holdfast_token=${world.token({ port })}`
  assert.equal((await world.ask({ port, path, headers: PAGE })).headers.location, '/evil.test/a')
  const slashes = `/\\evil.test?holdfast_token=${world.token({ port })}`
  assert.notEqual((await world.ask({ port, path: slashes, headers: PAGE })).headers.location?.[1], '\\')
})

test('a program is served at once, by link or by header, and the app sees neither', LIMIT, async () => {
  await using served = await worldWithEcho('private')
  const { world, port } = served
  const token = world.token({ port })
  const byLink = seen(await world.ask({ port, path: `/a?holdfast_token=${token}` }))
  assert.equal(byLink.url, '/a')
  const headers = { 'holdfast-token': token, 'Holdfast-Anything': '1', authorization: `Bearer hx1.${token}` }
  const byHeader = await world.ask({ port, headers })
  assert.ok(!byHeader.body.includes(token))
  assert.ok(
    !/holdfast/i.test(
      JSON.stringify(seen(byHeader).headers).replaceAll('holdfast-test', '').replace(DOMAIN, ''),
    ),
  )
  const own = seen(
    await world.ask({ port, headers: { 'holdfast-token': token, authorization: 'Basic YTpi' } }),
  )
  assert.equal(own.headers.authorization, 'Basic YTpi')
})

test('a token opens its own port of its own workspace, and nothing else', LIMIT, async () => {
  await using served = await worldWithEcho('private')
  const { world, port } = served
  const foreign = new ExposureLinks(Buffer.alloc(32, 9))
  const refused = [
    world.token({ port: port === 1 ? 2 : 1 }),
    world.token({ port, workspace: `ws_${'z'.repeat(26)}` } as never),
    world.token({ port, exposure: 'exp_b' } as never),
    world.token({ kind: 'org' }),
    foreign.mint({
      kind: 'port',
      workspace: 'ws',
      port,
      exposure: 'exp_a',
      expiresAt: Number.MAX_SAFE_INTEGER,
    }),
    'nonsense',
  ]
  for (const token of refused)
    assert.equal((await world.ask({ port, headers: { 'holdfast-token': token } })).status, 404, token)
  const expired = await world.ask({
    port,
    headers: { 'holdfast-token': world.token({ port, expiresAt: 1 }) },
  })
  assert.equal(expired.status, 401)
  assert.equal(JSON.parse(expired.body).error.code, 'unauthenticated')
})

test(
  'what was minted for a port before it was exposed anew opens it no more, by link or by cookie',
  LIMIT,
  async () => {
    await using served = await worldWithEcho('private')
    const { world, port } = served
    const path = `/?holdfast_token=${world.token({ port })}`
    const [pair = ''] =
      (await world.ask({ port, path, headers: PAGE })).headers['set-cookie']?.[0]?.split(';') ?? []
    const ask = async () => [
      (await world.ask({ port, path })).status,
      (await world.ask({ port, headers: { cookie: pair } })).status,
    ]
    assert.deepEqual(await ask(), [200, 200])
    world.expose(port, 'private', { exposure: 'exp_b' })
    await delay(GATEWAY_LIMITS.resolvedMs)
    assert.deepEqual(await ask(), [404, 404])
  },
)

test('a port of an org opens for its members and for who was given a link', LIMIT, async () => {
  await using served = await worldWithEcho('org')
  const { world, port } = served
  for (const token of [world.token({ kind: 'org', org: ORG }), world.token({ port })])
    seen(await world.ask({ port, headers: { 'holdfast-token': token } }))
  const stranger = world.token({ kind: 'org', org: `org_${'c'.repeat(26)}` })
  assert.equal((await world.ask({ port, headers: { 'holdfast-token': stranger } })).status, 404)
  const first = await world.ask({
    port,
    path: `/?holdfast_token=${world.token({ kind: 'org' })}`,
    headers: PAGE,
  })
  const kept = first.headers['set-cookie']?.[0]?.split(';')[0]?.split('=')[1] ?? ''
  const verified = world.links.verify(kept, 0)
  assert.ok(verified.outcome === 'valid' && verified.grant.kind === 'port', 'the cookie opens this port only')
})

test(
  'unknown, not exposed and not shown are one answer, and none of them wakes a workspace',
  LIMIT,
  async () => {
    await using served = await worldWithEcho('private')
    const { world, port } = served
    world.expose(7, 'private', { hostAddress: null })
    const answers = [
      await world.ask({ port }),
      await world.ask({ port: 7 }),
      await world.ask({ port: 9 }),
      await world.ask({ port, host: `${port}-nobody.${DOMAIN}` }),
      await world.ask({ port, host: `0${port}-demo.${DOMAIN}` }),
      await world.ask({ port, host: DOMAIN, path: `/w/demo/p/${port}/` }),
      await world.ask({ port, host: DOMAIN, headers: { 'holdfast-workspace': 'x_y', 'holdfast-port': '1' } }),
    ]
    const shown = answers.map(({ status, headers: { date: _, ...headers }, body }) => ({
      status,
      headers,
      body,
    }))
    for (const answer of shown) assert.deepEqual(answer, shown[0])
    assert.equal(shown[0]?.status, 404)
    assert.ok(world.asked.every(({ resume }) => !resume))
  },
)

test('host names that are none of ours are misdirected, other spellings unknown', LIMIT, async () => {
  await using served = await worldWithEcho('public')
  const { world, port } = served
  for (const host of [
    'evil.test',
    `x${DOMAIN}`,
    `${port}-demo.${DOMAIN}.`,
    `${port}-demo.${DOMAIN}.evil.test`,
  ])
    assert.equal((await world.ask({ port, host })).status, 421, host)
  for (const label of [`0${port}-demo`, `+${port}-demo`, `${port}-Demo_`, `demo-${port}`, `a.${port}-demo`])
    assert.equal((await world.ask({ port, host: `${label}.${DOMAIN}` })).status, 404, label)
  assert.equal((await world.ask({ port, host: `${port}-DEMO.${DOMAIN.toUpperCase()}` })).status, 200)
})

test('with the cookie, a page of another origin changes nothing', LIMIT, async () => {
  await using served = await worldWithEcho('private')
  const { world, port } = served
  const host = `${port}-demo.${DOMAIN}`
  const cookie = `holdfast-dev=${world.token({ port })}`
  for (const origin of [`http://1-demo.${DOMAIN}`, 'null', `https://${host}`]) {
    const answer = await world.ask({ port, method: 'POST', headers: { cookie, origin } })
    assert.equal(answer.status, 403, origin)
  }
  const own = seen(await world.ask({ port, method: 'POST', headers: { cookie, origin: `http://${host}` } }))
  assert.equal(own.headers.origin, `http://localhost:${port}`)
})

test(
  'a refusal is a page for a browser and JSON for others, and tells nothing of what is inside',
  LIMIT,
  async () => {
    await using world = await World.start()
    const page = await world.ask({ port: 1, headers: PAGE })
    assert.match(page.headers['content-type'] ?? '', /^text\/html/)
    assert.match(page.body, /<h1>Nothing is served here/)
    const json = await world.ask({ port: 1 })
    assert.equal(JSON.parse(json.body).error.code, 'not_found')
    assert.equal((await world.ask({ port: 1, method: 'HEAD' })).body, '')
  },
)

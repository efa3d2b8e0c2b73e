import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { Installation, type Reply } from '../control.fixture.ts'

/** As the table of failures spells it. */
function codeOf({ body }: Reply): string {
  return body.error.code.replaceAll('_', '-')
}

/** What of an answer may not tell a foreign id from an unknown one. */
function told({ status, body }: Reply) {
  return { status, ...body.error, request_id: null }
}

test('foreign ids answer exactly as unknown ones, on every endpoint with an id', async () => {
  await using installation = await Installation.start()
  const mine = await installation.workspace({ name: 'mine' })
  const stranger = await strangerKey(installation)
  const unknown = `ws_${'0'.repeat(26)}`
  const asked: readonly (readonly [line: string, body?: unknown])[] = [
    ['GET /v1/workspaces/ID'],
    ['PATCH /v1/workspaces/ID', {}],
    ['DELETE /v1/workspaces/ID'],
    ['POST /v1/workspaces/ID/stop', {}],
    ['POST /v1/workspaces/ID/resume', {}],
    ['POST /v1/workspaces/ID/fork', {}],
    ['POST /v1/workspaces/ID/sync', {}],
    ['POST /v1/workspaces/ID/checkpoints', {}],
    ['POST /v1/workspaces/ID/rollback', { generation: '1' }],
    ['POST /v1/workspaces/ID/execs', { argv: ['true'] }],
    ['GET /v1/workspaces/ID/execs/e'],
    ['GET /v1/workspaces/ID/execs/e/output'],
    ['GET /v1/workspaces/ID/files?list='],
    ['GET /v1/workspaces/ID/files/a'],
    ['GET /v1/workspaces/ID/generations'],
    ['GET /v1/workspaces/ID/exposures'],
    ['GET /v1/workspaces/ID/services'],
    ['GET /v1/workspaces/ID/activity'],
    ['GET /v1/workspaces/ID/lineage'],
    ['GET /v1/events?topic=workspace:ID'],
  ]
  for (const [line, body] of asked) {
    const options = { key: stranger, ...(body === undefined ? {} : { body }) }
    const foreign = await installation.ask(line.replace('ID', mine.id), options)
    const never = await installation.ask(line.replace('ID', unknown), options)
    const byName = await installation.ask(line.replace('ID', 'mine'), options)
    assert.equal(foreign.status, 404, `${line} ${JSON.stringify(foreign.body)}`)
    assert.deepEqual(told(foreign), told(never), line)
    assert.deepEqual(told(byName), told(never), line)
  }
  const list = await installation.ask('GET /v1/workspaces?include_archived=true', { key: stranger })
  assert.deepEqual(list.body.items, [])
})

async function strangerKey(installation: Installation): Promise<string> {
  const { newSecret } = await import('../operations/api-keys.ts')
  const { systemRandomness } = await import('@holdfast/base/randomness')
  const { OrgId } = await import('@holdfast/protocol/identifiers')
  const { SCOPES } = await import('@holdfast/protocol/endpoints')
  const secret = newSecret(systemRandomness, 'pepper')
  const org = OrgId.parse(`org_${'1'.repeat(26)}`)
  await installation.store.write(async (changes) => {
    await changes.orgs.insert({ id: org, name: 'other', createdAt: 1 }, 'user_other')
    const { id, secretHash } = secret
    const times = { createdAt: 1, expiresAt: null, lastUsedAt: null }
    await changes.keys.insert({
      id,
      org,
      user: 'user_other',
      name: 'k',
      scopes: SCOPES,
      secretHash,
      ...times,
    })
  })
  return secret.token
}

const BAD: readonly (readonly [what: string, line: string, body: unknown, status: number, code: string])[] = [
  ['an unknown field', 'POST /v1/workspaces', { org_id: 'org_x' }, 400, 'invalid-argument'],
  ['a status of its own', 'POST /v1/workspaces', { status: 'idle' }, 400, 'invalid-argument'],
  ['an unknown query', 'GET /v1/workspaces?admin=true', undefined, 400, 'invalid-argument'],
  ['a forged cursor', 'GET /v1/workspaces?cursor=%27--', undefined, 400, 'invalid-argument'],
  ['a page too large', 'GET /v1/workspaces?limit=100000', undefined, 400, 'invalid-argument'],
  ['a malformed id', 'GET /v1/workspaces/ws_!', undefined, 404, 'not-found'],
  ['an id with a quote', "GET /v1/workspaces/'%20or%201=1", undefined, 404, 'not-found'],
  ['neither argv nor shell', 'POST /v1/workspaces/w/execs', {}, 400, 'invalid-argument'],
  [
    'a name that looks like an id',
    'POST /v1/workspaces',
    { name: `ws-${'0'.repeat(26)}` },
    400,
    'invalid-argument',
  ],
  ['a body that is nested too deep', 'POST /v1/workspaces', deep(40), 413, 'too-large'],
  ['a body that is too large', 'POST /v1/workspaces', { name: 'a'.repeat(1 << 21) }, 413, 'too-large'],
  ['a path that nobody answers', 'GET /v2/workspaces', undefined, 404, 'not-found'],
  ['a scope that does not exist', 'POST /v1/keys', { name: 'k', scopes: ['root'] }, 400, 'invalid-argument'],
]

test('what is malformed is refused with a code of the table, and never as a defect', async () => {
  await using installation = await Installation.start()
  for (const [what, line, body, status, code] of BAD) {
    const reply = await installation.ask(line, body === undefined ? {} : { body })
    assert.equal(reply.status, status, `${what}: ${JSON.stringify(reply.body)}`)
    assert.equal(codeOf(reply), code, what)
    assert.match(reply.body.error.request_id, /^req_/)
    assert.equal(reply.headers.get('x-request-id'), reply.body.error.request_id)
  }
  assert.deepEqual(installation.defects, [])
})

function deep(levels: number): unknown {
  return levels === 0 ? 1 : { a: deep(levels - 1) }
}

test('a host name that is not configured is misdirected', async () => {
  await using installation = await Installation.start({}, 0)
  const status = await new Promise<number>((resolve, reject) => {
    request(`${installation.url}/healthz`, { headers: { host: 'evil.example' } }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })
  assert.equal(status, 421)
  assert.equal((await installation.ask('GET /healthz', { key: null })).status, 200)
})

test('a key gives no scope that it lacks, and is worthless once it is removed or has expired', async () => {
  await using installation = await Installation.start({}, 0)
  const scopes = ['keys:write', 'workspace:read']
  const made = await installation.ask('POST /v1/keys', { body: { name: 'a', scopes } })
  const key = made.body.secret
  const more = await installation.ask('POST /v1/keys', { key, body: { name: 'b', scopes: ['exec:write'] } })
  assert.equal(more.body.error.code, 'forbidden')
  assert.equal((await installation.ask('GET /v1/workspaces', { key })).status, 200)
  assert.equal((await installation.ask(`DELETE /v1/keys/${made.body.key.id}`)).status, 204)
  assert.equal((await installation.ask('GET /v1/workspaces', { key })).status, 401)
  assert.equal((await installation.ask('GET /v1/workspaces', { key: `${key.slice(0, -1)}x` })).status, 401)
  const listed = await installation.ask('GET /v1/keys')
  assert.ok(!JSON.stringify(listed.body).includes(installation.adminKey.slice(30)))
})

test('a request that comes again with its key has its answer again; another request with it is refused', async () => {
  await using installation = await Installation.start()
  const headers = { 'idempotency-key': 'once' }
  const first = await installation.ask('POST /v1/workspaces', { body: { name: 'a' }, headers })
  const [again, beside] = await Promise.all([
    installation.ask('POST /v1/workspaces', { body: { name: 'a' }, headers }),
    installation.ask('POST /v1/workspaces', { body: { name: 'a' }, headers }),
  ])
  assert.equal(again.status, 201)
  assert.deepEqual(again.body, first.body)
  assert.deepEqual(beside.body, first.body)
  const other = await installation.ask('POST /v1/workspaces', { body: { name: 'b' }, headers })
  assert.equal(codeOf(other), 'idempotency-mismatch')
  const secrets = { 'idempotency-key': 'key' }
  const body = { name: 'k', scopes: ['workspace:read'] }
  const key = await installation.ask('POST /v1/keys', { body, headers: secrets })
  const sameKey = await installation.ask('POST /v1/keys', { body, headers: secrets })
  assert.equal(sameKey.body.secret, key.body.secret)
})

test('two requests that crashed between effect and answer make one workspace', async () => {
  await using installation = await Installation.start()
  const headers = { 'idempotency-key': 'crash' }
  const first = await installation.ask('POST /v1/workspaces', { body: { name: 'a' }, headers })
  await installation.store.write((changes) => changes.answers.removeExpired(Number.MAX_SAFE_INTEGER))
  const again = await installation.ask('POST /v1/workspaces', { body: { name: 'a' }, headers })
  assert.equal(again.body.id, first.body.id, JSON.stringify(again.body))
})

for (const [code, requestsMax] of [
  ['overloaded', 2],
  ['too-many-requests', 9],
] as const)
  test(`more requests than fit are refused at once as ${code}, with the time to come again`, async () => {
    const limits = { requestsMax, requestsOfKeyMax: 2, streamsMax: 2, streamsOfKeyMax: 1 }
    await using installation = await Installation.start({ limits })
    const { id } = await installation.workspace()
    const line = `POST /v1/workspaces/${id}/execs?wait=5s`
    const run = { body: { argv: ['sleep', '0.5'] } }
    const replies = await Promise.all(Array.from({ length: 5 }, () => installation.ask(line, run)))
    const refused = replies.filter(({ status }) => status !== 201)
    assert.deepEqual(refused.map(codeOf), [code, code, code])
    for (const reply of refused) {
      assert.equal(reply.headers.get('retry-after'), '1')
      assert.equal(reply.body.error.retryable, true)
    }
    assert.equal(
      (await installation.ask(line, { body: { argv: ['true'] } })).status,
      201,
      'afterwards there is room',
    )
  })

test('without a host with room a handoff is refused, and a workspace waits', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  assert.equal(codeOf(await installation.ask(`POST /v1/workspaces/${id}/handoff`, { body: {} })), 'no-host')
  await using empty = await Installation.start({}, 0)
  const made = await empty.ask('POST /v1/workspaces?wait=200ms', { body: {} })
  assert.equal(made.body.status, 'provisioning')
  assert.equal(made.body.status_reason, 'no-host')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestCounters } from '@holdfast/control/api/request-counters'
import type { Route } from '@holdfast/control/api/route'
import { allRoutes } from '@holdfast/control/api/routes/all-routes'
import { Installation, type Reply } from '@holdfast/control/control.fixture'
import { ErrorBody } from '@holdfast/protocol/rest/ground'

const LIMITS = { timeout: 60_000 }
const ROUTES = allRoutes({ counters: new RequestCounters(), stepsTaken: () => 0 })
const PARAMETER = /\{(\w+)\}/g

/** A value of the right form for each parameter, of things that need not exist. */
const GOOD: Readonly<Record<string, string>> = {
  exec: 'e1',
  generation: '0'.repeat(64),
  host: `host_${'0'.repeat(26)}`,
  key: `key_${'0'.repeat(26)}`,
  name: 'web',
  path: 'a/b',
  port: '8080',
}

const MALFORMED = [
  '..%2f..%2fetc',
  '%00',
  '%ff%fe',
  '%zz',
  "'%20or%20'1'='1",
  '%0d%0aset-cookie:x',
  'a'.repeat(3000),
  '-1',
  '99999999999999999999',
  '%F0%9F%92%A9',
  '__proto__',
  '{id}',
]

function lineOf({ method, path }: Route, parameters: Readonly<Record<string, string>>): string {
  return `${method} ${path.replaceAll(PARAMETER, (_, name: string) => parameters[name] ?? '')}`
}

/** A refusal with the shape that the API promises, and a code of the table. */
function assertRefused(reply: Reply, what: string, statuses?: readonly number[]): void {
  assert.ok(
    reply.status >= 400 && reply.status < 500,
    `${what}: ${reply.status} ${JSON.stringify(reply.body)}`,
  )
  if (statuses) assert.ok(statuses.includes(reply.status), `${what}: ${reply.status}`)
  const parsed = ErrorBody.safeParse(reply.body)
  assert.ok(parsed.success, `${what}: ${JSON.stringify(reply.body)}`)
  assert.match(reply.headers.get('content-type') ?? '', /^application\/json/, what)
}

async function withWorkspace(): Promise<{ installation: Installation; good: Record<string, string> }> {
  const installation = await Installation.start()
  const { id } = await installation.workspace()
  return { installation, good: { ...GOOD, id } }
}

/** Of a socket to come nothing is answered but a refusal of plain HTTP. */
const answered = ROUTES.filter(({ kind, scope }) => kind !== 'upgrade' && scope !== null)

test('a field of the query that no route knows is refused by every route', LIMITS, async () => {
  const { installation, good } = await withWorkspace()
  await using _installation = installation
  for (const route of answered)
    for (const query of ['zzz=1', 'org_id=org_x', 'zzz=1&zzz=2', '__proto__=1', 'constructor=1']) {
      const line = `${lineOf(route, good)}?${query}`
      const reply = await installation.ask(line, { headers: { accept: 'text/event-stream' } })
      assertRefused(reply, line, [400])
    }
  assert.deepEqual(installation.defects, [])
})

const FIELDS: readonly unknown[] = [
  { zzz: 1 },
  { org_id: 'org_x' },
  { status: 'idle' },
  { host_id: 'host_x' },
  JSON.parse('{"__proto__":{"admin":true}}'),
  [],
  'text',
  7,
  null,
]

test('a body with a field that no route knows is refused by every route that takes one', LIMITS, async () => {
  const { installation, good } = await withWorkspace()
  await using _installation = installation
  const taking = answered.filter(({ body }) => body !== undefined)
  assert.ok(taking.length > 10)
  for (const route of taking)
    for (const body of FIELDS) {
      const line = lineOf(route, good)
      assertRefused(await installation.ask(line, { body }), `${line} ${JSON.stringify(body)}`, [400])
    }
  assert.deepEqual(installation.defects, [])
})

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
const RAW: readonly (readonly [
  what: string,
  text: string,
  headers: Record<string, string>,
  status: number,
])[] = [
  ['no JSON', '{"a":', {}, 400],
  ['another type', '{}', { 'content-type': 'text/plain' }, 400],
  ['a form', 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }, 400],
  ['too long', `{"a":"${'x'.repeat(1 << 20)}"}`, {}, 413],
  ['too deep', nested(40), {}, 413],
  ['far too deep', nested(200_000), {}, 413],
  ['too many items', `[${'1,'.repeat(20_000)}1]`, {}, 413],
  ['too many fields', `{${Array.from({ length: 10_001 }, (_, n) => `"${n}":1`).join()}}`, {}, 413],
  ['no UTF-8', '{"a":"\ud800"}', {}, 400],
]

test(
  'a body that is too large, too deep or no JSON is refused by every route that takes one',
  LIMITS,
  async () => {
    const { installation, good } = await withWorkspace()
    await using _installation = installation
    for (const route of answered.filter(({ body }) => body !== undefined))
      for (const [what, text, headers, status] of RAW) {
        const line = lineOf(route, good)
        const sent = { 'content-type': 'application/json', ...headers }
        assertRefused(await installation.ask(line, { text, headers: sent }), `${line} ${what}`, [status])
      }
    assert.deepEqual(installation.defects, [])
  },
)

test('an id, port or path that is malformed is refused by every route with one', LIMITS, async () => {
  const { installation, good } = await withWorkspace()
  await using _installation = installation
  for (const route of answered)
    for (const [, name = ''] of route.path.matchAll(PARAMETER)) {
      if (name === 'path') continue
      for (const malformed of MALFORMED) {
        const line = lineOf(route, { ...good, [name]: malformed })
        const reply = await installation.ask(line, { ...(route.body ? { body: {} } : {}) })
        assertRefused(reply, line)
      }
    }
  assert.deepEqual(installation.defects, [])
})

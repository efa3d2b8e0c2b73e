import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandomness } from '@holdfast/base/randomness'
import { RequestCounters } from '@holdfast/control/api/request-counters'
import { allRoutes } from '@holdfast/control/api/routes/all-routes'
import { Installation } from '@holdfast/control/control.fixture'
import { newSecret } from '@holdfast/control/operations/api-keys'
import { SCOPES, type Scope } from '@holdfast/protocol/endpoints'
import { type OrgId, OrgId as OrgIdShape } from '@holdfast/protocol/identifiers'

const LIMITS = { timeout: 60_000 }
const ROUTES = allRoutes({ counters: new RequestCounters(), stepsTaken: () => 0 })
const PARAMETER = /\{(\w+)\}/g
const STRANGERS: OrgId = OrgIdShape.parse(`org_${'1'.repeat(26)}`)

/** A key of another org, with every scope. */
async function strangerKey({ store }: Installation): Promise<string> {
  const { id, secretHash, token } = newSecret(systemRandomness, 'pepper')
  const key = { id, org: STRANGERS, user: 'user_other', name: 'k', scopes: SCOPES, secretHash }
  await store.write(async (changes) => {
    await changes.orgs.insert({ id: STRANGERS, name: 'other', createdAt: 1 }, 'user_other')
    await changes.keys.insert({ ...key, createdAt: 1, expiresAt: null, lastUsedAt: null })
  })
  return token
}

/** Of one org: an id of each kind that a path can name. */
async function things(installation: Installation, key: string): Promise<Record<string, string>> {
  const asked = { key }
  const made = await installation.ask('POST /v1/workspaces?wait=10s', { ...asked, body: { name: 'things' } })
  const { id } = made.body
  const exec = await installation.ask(`POST /v1/workspaces/${id}/execs?wait=5s`, {
    ...asked,
    body: { argv: ['true'] },
  })
  const checkpoint = await installation.ask(`POST /v1/workspaces/${id}/checkpoints`, { ...asked, body: {} })
  const other = await installation.ask('POST /v1/keys', {
    ...asked,
    body: { name: 'other', scopes: ['workspace:read'] },
  })
  await installation.ask(`POST /v1/workspaces/${id}/exposures`, { ...asked, body: { port: 8080 } })
  const found = {
    id,
    exec: exec.body.exec?.id ?? exec.body.id,
    generation: checkpoint.body.generation?.id ?? checkpoint.body.id,
    key: other.body.key.id,
    port: '8080',
    path: 'a',
    name: 'web',
    host: installation.host.id,
  }
  for (const [name, value] of Object.entries(found)) assert.ok(value, `there is no ${name}`)
  return found
}

const UNKNOWN: Readonly<Record<string, string>> = {
  id: `ws_${'0'.repeat(26)}`,
  exec: 'never',
  generation: 'f'.repeat(64),
  key: `key_${'0'.repeat(26)}`,
  port: '8080',
  path: 'a',
  name: 'web',
  host: `host_${'0'.repeat(26)}`,
}

/** Bodies that a route takes, so that the refusal is about the id. */
const BODIES: readonly (readonly [ending: RegExp, body: unknown])[] = [
  [/\/execs$/, { argv: ['true'] }],
  [/\/rollback$/, { generation: '1' }],
  [/\/move$/, { from: 'a', to: 'b' }],
  [/\/mkdir$/, { path: 'a' }],
  [/\/exposures$/, { port: 8080 }],
  [/\/services$/, { name: 'web', argv: ['true'] }],
  [/\/deploy$/, { name: 'web', service: 'true', port: 8080 }],
  [/\/signal$/, { signal: 'SIGTERM' }],
  [/\/resize$/, { columns: 80, rows: 24 }],
  [/\/stdin$/, { bytes: '' }],
]

function withBody(method: string, path: string): { body?: unknown } {
  if (method !== 'POST' && method !== 'PATCH') return {}
  return { body: BODIES.find(([ending]) => ending.test(path))?.[1] ?? {} }
}

function queryOf(path: string): string {
  if (path.endsWith('/sqlite')) return '?path=a.db'
  return path.endsWith('/files') && !path.includes('generations') ? '?list=' : ''
}

const told = ({ status, body }: { status: number; body: { error?: object } }) => ({
  status,
  ...(body.error ?? body),
  request_id: null,
})

test(
  'an id of another org is answered exactly as an unknown one, in every place of every route',
  LIMITS,
  async () => {
    await using installation = await Installation.start()
    const key = await strangerKey(installation)
    const mine = await things(installation, installation.adminKey)
    const theirs = await things(installation, key)
    let compared = 0
    for (const { method, path, scope } of ROUTES) {
      const names = [...path.matchAll(PARAMETER)].map(([, name = '']) => name)
      if (scope?.startsWith('platform') || /attach$|ports\/\{port\}$|export$/.test(path)) continue
      for (const swapped of names.filter((name) => ['id', 'exec', 'generation', 'key'].includes(name))) {
        const line = (values: Readonly<Record<string, string>>) =>
          `${method} ${path.replaceAll(PARAMETER, (_, name) => (name === swapped ? values : theirs)[name] ?? '')}${queryOf(path)}`
        const options = { key, ...withBody(method, path) }
        const foreign = await installation.ask(line(mine), options)
        const unknown = await installation.ask(line(UNKNOWN), options)
        const what = `${method} ${path} by ${swapped}`
        assert.equal(foreign.status, 404, `${what}: ${JSON.stringify(foreign.body)}`)
        const same = JSON.stringify(told(unknown)).replaceAll(UNKNOWN[swapped] ?? '', mine[swapped] ?? '')
        assert.equal(JSON.stringify(told(foreign)), same, what)
        compared++
      }
    }
    assert.ok(compared > 45, `${compared}`)
    assert.deepEqual(installation.defects, [])
  },
)

test('a list, an event and an audit row of one org are told to no other', LIMITS, async () => {
  await using installation = await Installation.start()
  const key = await strangerKey(installation)
  const mine = await things(installation, installation.adminKey)
  for (const line of [
    'GET /v1/workspaces?include_archived=true',
    'GET /v1/keys',
    'GET /v1/audit',
    'GET /v1/drills',
  ]) {
    const { status, body } = await installation.ask(line, { key })
    assert.equal(status, 200, line)
    const text = JSON.stringify(body)
    for (const id of [mine.id, mine.key]) assert.ok(!text.includes(id ?? '?'), `${line} tells ${id}`)
  }
})

test('a foreign id takes as long to refuse as an unknown one', LIMITS, async () => {
  await using installation = await Installation.start()
  const key = await strangerKey(installation)
  const { id } = await installation.workspace()
  const times: Record<'foreign' | 'unknown', number[]> = { foreign: [], unknown: [] }
  for (let round = 0; round < 200; round++)
    for (const [kind, asked] of [
      ['foreign', id],
      ['unknown', UNKNOWN.id],
    ] as const) {
      const begunMs = performance.now()
      await installation.ask(`GET /v1/workspaces/${asked}`, { key })
      times[kind].push(performance.now() - begunMs)
    }
  const median = (values: number[]) => values.sort((a, b) => a - b)[100] ?? Number.NaN
  const [foreign, unknown] = [median(times.foreign), median(times.unknown)]
  assert.ok(foreign < 2 * unknown + 1 && unknown < 2 * foreign + 1, `${foreign} ms and ${unknown} ms`)
})

test('a key with one scope opens exactly the routes of that scope', LIMITS, async () => {
  await using installation = await Installation.start({}, 0)
  const keys = new Map<Scope, string>()
  for (const scope of SCOPES) {
    const { body } = await installation.ask('POST /v1/keys', { body: { name: scope, scopes: [scope] } })
    keys.set(scope, body.secret)
  }
  for (const { method, path, scope } of ROUTES) {
    const line = `${method} ${path.replaceAll(PARAMETER, (_, name) => UNKNOWN[name] ?? 'x')}?zzz=1`
    for (const [held, key] of keys) {
      const { status, body } = await installation.ask(line, { key })
      const what = `${line} with ${held}: ${JSON.stringify(body)}`
      if (scope === null || scope === held) assert.ok(status !== 401 && status !== 403, what)
      else assert.equal(status, 403, what)
    }
  }
})

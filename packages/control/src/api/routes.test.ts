import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ENDPOINTS } from '@holdfast/protocol/endpoints'
import { Installation } from '../control.fixture.ts'
import { RequestCounters } from './request-counters.ts'
import { allRoutes, checkScopes } from './routes/all-routes.ts'

const ROUTES = allRoutes({ counters: new RequestCounters(), stepsTaken: () => 0 })
const FILLED = /\{\w+\}/g

function lines(
  endpoints: readonly { readonly method: string; readonly path: string; readonly scope: string | null }[],
) {
  return endpoints.map(({ method, path, scope }) => `${method} ${path} ${scope}`).sort()
}

test('the router is the table of endpoints', () => {
  assert.deepEqual(lines(ROUTES), lines(ENDPOINTS))
})

test('the OpenAPI document is the table of endpoints', async () => {
  await using installation = await Installation.start({}, 0)
  const { status, body } = await installation.ask('GET /v1/openapi.json', { key: null })
  assert.equal(status, 200)
  const described = Object.entries(
    body.paths as Record<string, Record<string, { 'x-scope'?: string }>>,
  ).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      scope: operation['x-scope'] ?? null,
    })),
  )
  assert.deepEqual(lines(described), lines(ENDPOINTS))
})

test('a route without its scope does not start', () => {
  assert.throws(() => checkScopes([{ method: 'GET', path: '/v1/keys', scope: null }]), /has the scope null/)
  assert.throws(() => checkScopes([{ method: 'GET', path: '/v1/secrets', scope: null }]), /not in the table/)
})

test('every endpoint asks for a key, and for its scope', async () => {
  await using installation = await Installation.start({}, 0)
  const poor = await installation.ask('POST /v1/keys', { body: { name: 'poor', scopes: ['files:read'] } })
  for (const { method, path, scope } of ENDPOINTS) {
    if (scope === null) continue
    const address = `${method} ${path.replaceAll(FILLED, 'x')}`
    const nobody = await installation.ask(address, { key: null })
    assert.equal(nobody.status, 401, address)
    assert.equal(nobody.body.error.code, 'unauthenticated')
    if (scope === 'files:read') continue
    const forbidden = await installation.ask(address, { key: poor.body.secret })
    assert.equal(forbidden.status, 403, address)
    assert.equal(forbidden.body.error.details.scope, scope)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exposureHost, parseExposureHost } from './exposure-host.ts'
import { WorkspaceName } from './identifiers.ts'

const DOMAIN = 'apps.example.com'
const ID = `ws_${'0123456789abcdefghjkmnpqrs'}`

test('names and ids come back from the host name that is made of them', () => {
  for (const workspace of ['a', 'api-7', ID, 'x'.repeat(57)]) {
    const host = exposureHost({ port: 65_535, workspace }, DOMAIN)
    assert.deepEqual(parseExposureHost(host ?? '', DOMAIN), { port: 65_535, workspace })
  }
  assert.equal(exposureHost({ port: 3000, workspace: ID }, DOMAIN), `3000-${ID.replace('_', '-')}.${DOMAIN}`)
})

test('a name that makes the label too long has no host name', () => {
  assert.equal(exposureHost({ port: 65_535, workspace: 'x'.repeat(58) }, DOMAIN), undefined)
})

test('every other spelling is no name of a port', () => {
  const labels = [
    '02280-a',
    '+2280-a',
    '0-a',
    '65536-a',
    '99999-a',
    '100000-a',
    '2280',
    '2280-',
    '-2280-a',
    'a-2280',
  ]
  labels.push(
    '2280-A',
    '2280--a',
    '2280-a-',
    '2280-a_b',
    '0x50-a',
    '80.0-a',
    ' 80-a',
    'x.80-a',
    `80-${'x'.repeat(61)}`,
  )
  for (const label of labels) assert.equal(parseExposureHost(`${label}.${DOMAIN}`, DOMAIN), undefined, label)
  for (const host of [DOMAIN, `80-a${DOMAIN}`, '80-a.example.com', `80-a.${DOMAIN}.`, `80-a.${DOMAIN}:80`])
    assert.equal(parseExposureHost(host, DOMAIN), undefined, host)
})

test('no workspace is named as an id is spelled in a host name', () => {
  assert.equal(WorkspaceName.safeParse(ID.replace('_', '-')).success, false)
  assert.equal(WorkspaceName.safeParse('ws-staging').success, true)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ExposureGrant, ExposureLinks } from './exposure-link.ts'

const links = new ExposureLinks(Buffer.alloc(32, 7))
const PORT: ExposureGrant = {
  kind: 'port',
  workspace: 'ws_a',
  port: 3000,
  exposure: 'exp_a',
  expiresAt: 1000,
}
const ORG: ExposureGrant = { kind: 'org', org: 'org_a', expiresAt: 1000 }

test('a token opens what it was minted for until it expires', () => {
  for (const grant of [PORT, ORG]) {
    assert.deepEqual(links.verify(links.mint(grant), 999), { outcome: 'valid', grant })
    assert.deepEqual(links.verify(links.mint(grant), 1000), { outcome: 'expired', grant })
  }
})

test('a token of another key, and one that was changed anywhere, is foreign', () => {
  const token = links.mint(PORT)
  const other = new ExposureLinks(Buffer.alloc(32, 8)).mint(PORT)
  assert.equal(links.verify(other, 0).outcome, 'foreign')
  for (let at = 0; at < token.length; at++) {
    const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
    const isSameBytes =
      Buffer.from(changed.split('.')[2] ?? '', 'base64url').equals(
        Buffer.from(token.split('.')[2] ?? '', 'base64url'),
      ) && changed.split('.').slice(0, 2).join() === token.split('.').slice(0, 2).join()
    if (!isSameBytes) assert.equal(links.verify(changed, 0).outcome, 'foreign', String(at))
  }
  for (const text of [
    '',
    '.',
    '..',
    'hx1',
    'hx1..',
    `${token}.`,
    `${token}.x`,
    `hx2${token.slice(3)}`,
    'a'.repeat(9999),
  ])
    assert.equal(links.verify(text, 0).outcome, 'foreign', text.slice(0, 20))
})

test('a short key is refused', () => {
  assert.throws(() => new ExposureLinks(Buffer.alloc(31)), { code: 'invalid-argument' })
})

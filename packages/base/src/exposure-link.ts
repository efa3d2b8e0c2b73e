import { createHmac, timingSafeEqual } from 'node:crypto'
import { Failure } from './failure.ts'

/*
 * What opens a served port: `hx1.<payload>.<mac>`, both parts base64url; the payload is JSON, and the mac is
 * HMAC-SHA-256 over `hx1.<payload>` with the link key of the installation. Control mints them; gateways verify them, and
 * mint the narrower one that a browser keeps as its cookie.
 */

const VERSION = 'hx1'
const TOKEN_CHARACTERS_MAX = 1024
const KEY_BYTES_MIN = 32

/** What a token opens: one port of one workspace, or every port that an org shows to its members. */
export type ExposureGrant =
  | { readonly kind: 'port'; readonly workspace: string; readonly port: number; readonly expiresAt: number }
  | { readonly kind: 'org'; readonly org: string; readonly expiresAt: number }

/** `foreign`: no token that this installation made. `expired` is told only of tokens that it did make. */
export type VerifiedGrant =
  | { readonly outcome: 'valid'; readonly grant: ExposureGrant }
  | { readonly outcome: 'expired' }
  | { readonly outcome: 'foreign' }

/** Mints and verifies with one key. `expiresAt` and `nowMs` are milliseconds since 1970. */
export class ExposureLinks {
  readonly #key: Uint8Array

  /** Rejects with `invalid-argument` a key of fewer than 32 bytes. */
  constructor(key: Uint8Array) {
    if (key.length < KEY_BYTES_MIN)
      throw new Failure('invalid-argument', `a link key has at least ${KEY_BYTES_MIN} bytes`)
    this.#key = Uint8Array.from(key)
  }

  mint(grant: ExposureGrant): string {
    const { kind, expiresAt } = grant
    const fields = grant.kind === 'port' ? [grant.workspace, grant.port] : [grant.org]
    const payload = Buffer.from(JSON.stringify([kind, expiresAt, ...fields])).toString('base64url')
    return `${VERSION}.${payload}.${this.#mac(payload).toString('base64url')}`
  }

  verify(token: string, nowMs: number): VerifiedGrant {
    const [version, payload = '', mac = '', ...rest] = token.split('.')
    const given = Buffer.from(mac, 'base64url')
    const wanted = this.#mac(payload)
    if (token.length > TOKEN_CHARACTERS_MAX || version !== VERSION || rest.length > 0)
      return { outcome: 'foreign' }
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return { outcome: 'foreign' }
    const grant = grantOf(JSON.parse(Buffer.from(payload, 'base64url').toString()))
    return grant.expiresAt > nowMs ? { outcome: 'valid', grant } : { outcome: 'expired' }
  }

  #mac(payload: string): Buffer {
    return createHmac('sha256', this.#key).update(`${VERSION}.${payload}`).digest()
  }
}

/** Of a payload whose mac was right: `mint` made it. */
function grantOf(payload: unknown): ExposureGrant {
  const [kind, expiresAt, subject, port] = payload as [ExposureGrant['kind'], number, string, number]
  return kind === 'port' ? { kind, expiresAt, workspace: subject, port } : { kind, expiresAt, org: subject }
}

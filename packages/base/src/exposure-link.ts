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

/**
 * What a token opens: one port of one workspace while it is exposed as it was then, or every port that an org shows to
 * its members.
 */
export type ExposureGrant =
  | {
      readonly kind: 'port'
      readonly workspace: string
      readonly port: number
      /** Its id: a port that is revoked and exposed again has another. */
      readonly exposure: string
      readonly expiresAt: number
    }
  | { readonly kind: 'org'; readonly org: string; readonly expiresAt: number }

/** `foreign`: no token that this installation made. */
export type VerifiedGrant =
  | { readonly outcome: 'valid'; readonly grant: ExposureGrant }
  | { readonly outcome: 'expired'; readonly grant: ExposureGrant }
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
    const fields = grant.kind === 'port' ? [grant.workspace, grant.port, grant.exposure] : [grant.org]
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
    return { outcome: grant.expiresAt > nowMs ? 'valid' : 'expired', grant }
  }

  #mac(payload: string): Buffer {
    return createHmac('sha256', this.#key).update(`${VERSION}.${payload}`).digest()
  }
}

type Payload = [ExposureGrant['kind'], number, subject: string, port: number, exposure: string]

/** Of a payload whose mac was right: `mint` made it. */
function grantOf(payload: unknown): ExposureGrant {
  const [kind, expiresAt, subject, port, exposure] = payload as Payload
  if (kind === 'org') return { kind, expiresAt, org: subject }
  return { kind, expiresAt, workspace: subject, port, exposure }
}

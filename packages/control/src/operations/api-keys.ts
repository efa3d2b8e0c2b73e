import { createHmac, timingSafeEqual } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import { API_KEY } from '@holdfast/protocol/api-key'
import { KeyId } from '@holdfast/protocol/identifiers'
import type { KeyRecord } from '../ports/entities.ts'
import type { Deps } from './context.ts'

const TOKEN = new RegExp(`^Bearer ${API_KEY.source}$`)
const SECRET_BYTES = 32
/** When a key was last used is told to a minute. */
const TOUCH_MS = 60_000

export interface NewSecret {
  readonly id: KeyId
  /** Told once. */
  readonly token: string
  readonly secretHash: string
}

export function newSecret(randomness: Randomness, pepper: string): NewSecret {
  const id = KeyId.parse(newIdentifier('key', randomness))
  const secret = Buffer.from(randomness.bytes(SECRET_BYTES)).toString('hex')
  return { id, token: `hf_${id.slice('key_'.length)}_${secret}`, secretHash: hashOf(secret, pepper) }
}

/** Whose key it is. Rejects with `unauthenticated`, in the same words for an unknown, a wrong and an expired one. */
export async function authenticate(deps: Deps, authorization: string | undefined): Promise<KeyRecord> {
  const [, letters, secret = ''] = TOKEN.exec(authorization ?? '') ?? []
  const record =
    letters === undefined ? undefined : await deps.store.read.keys.byId(KeyId.parse(`key_${letters}`))
  const nowMs = deps.clock.wallMs()
  // The hash is made for keys that do not exist too: time tells nothing.
  const isRight = isSame(hashOf(secret, deps.settings.keyPepper), record?.secretHash ?? hashOf('', ''))
  const isAlive = record !== undefined && (record.expiresAt === null || record.expiresAt > nowMs)
  if (record === undefined || !isRight || !isAlive)
    throw new Failure('unauthenticated', 'the request carries no key that is known and has not expired')
  if (nowMs - (record.lastUsedAt ?? 0) > TOUCH_MS)
    await deps.store.write((changes) => changes.keys.touch(record.id, nowMs))
  return record
}

function hashOf(secret: string, pepper: string): string {
  return createHmac('sha256', pepper).update(secret).digest('hex')
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

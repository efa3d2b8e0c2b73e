import { Failure } from '@holdfast/base/failure'
import { KeyId } from '@holdfast/protocol/identifiers'
import { type Page, pageFrom, parseCursor } from '../domain/cursor.ts'
import { parseScopes } from '../domain/scopes.ts'
import type { KeyRecord } from '../ports/entities.ts'
import { newSecret } from './api-keys.ts'
import type { Caller, Deps } from './context.ts'
import { audited } from './tell-event.ts'

/** A key of the caller's org that may at most what the caller may. Its token is told once, and kept nowhere. */
export async function createKey(
  deps: Deps,
  caller: Caller,
  wish: {
    readonly name: string
    readonly scopes: readonly string[]
    readonly expiresInMs: number | undefined
  },
): Promise<{ readonly record: KeyRecord; readonly token: string }> {
  const scopes = parseScopes(wish.scopes, caller.scopes)
  const { id, token, secretHash } = newSecret(caller.randomness, deps.settings.keyPepper)
  const record = await deps.store.write(async (changes) => {
    const existing = await changes.keys.byId(id)
    if (existing) return existing
    const createdAt = deps.clock.wallMs()
    const expiresAt = wish.expiresInMs === undefined ? null : createdAt + wish.expiresInMs
    const { org, user } = caller
    const made = {
      id,
      org,
      user,
      name: wish.name,
      scopes,
      secretHash,
      createdAt,
      expiresAt,
      lastUsedAt: null,
    }
    await changes.keys.insert(made)
    changes.emit(
      audited(caller, { type: 'key_create', at: createdAt, payload: { key: id, name: wish.name, scopes } }),
    )
    return made
  })
  return { record, token }
}

export async function listKeys(
  deps: Deps,
  caller: Caller,
  listing: { readonly cursor: string | undefined; readonly limit: number },
): Promise<Page<KeyRecord>> {
  const { cursor, limit } = listing
  const after = cursor === undefined ? {} : { after: parseCursor(cursor) }
  const found = await deps.store.read.keys.list({ org: caller.org, ...after, limit: limit + 1 })
  return pageFrom(found, limit, ({ createdAt, id }) => ({ at: createdAt, id }))
}

/** Counts from the next request on. */
export async function removeKey(deps: Deps, caller: Caller, name: string): Promise<void> {
  const id = KeyId.safeParse(name)
  await deps.store.write(async (changes) => {
    const isRemoved = id.success && (await changes.keys.remove(caller.org, id.data))
    if (!isRemoved) throw new Failure('not-found', 'there is no such key')
    changes.emit(audited(caller, { type: 'key_remove', at: deps.clock.wallMs(), payload: { key: id.data } }))
  })
}

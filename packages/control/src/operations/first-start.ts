import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import { SCOPES } from '@holdfast/protocol/endpoints'
import { OrgId } from '@holdfast/protocol/identifiers'
import { newSecret } from './api-keys.ts'
import type { Deps } from './context.ts'
import { audited } from './tell-event.ts'

/**
 * Makes org, user and an admin key in an empty database; undefined in any other. `keep` has the token durable before
 * the key counts: a key that nobody knows would lock everybody out.
 */
export async function firstStart(
  deps: Deps,
  randomness: Randomness,
  keep: (token: string) => void,
): Promise<string | undefined> {
  if (await deps.store.read.orgs.any()) return undefined
  const secret = newSecret(randomness, deps.settings.keyPepper)
  const org = OrgId.parse(newIdentifier('org', randomness))
  const user = newIdentifier('user', randomness)
  return await deps.store.write(async (changes) => {
    // Another replica that starts at the same time may have been first.
    if (await changes.orgs.any()) return undefined
    keep(secret.token)
    const createdAt = deps.clock.wallMs()
    await changes.orgs.insert({ id: org, name: 'default', createdAt }, user)
    const { id, secretHash } = secret
    await changes.keys.insert({
      ...{ id, org, user, name: 'admin', scopes: SCOPES, secretHash, createdAt },
      expiresAt: null,
      lastUsedAt: null,
    })
    changes.emit(
      audited(
        { org, actor: 'control' },
        { type: 'key_create', at: createdAt, payload: { key: id, scopes: SCOPES } },
      ),
    )
    return secret.token
  })
}

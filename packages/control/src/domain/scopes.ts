import { Failure } from '@holdfast/base/failure'
import { SCOPES, type Scope } from '@holdfast/protocol/endpoints'

const KNOWN: ReadonlySet<string> = new Set(SCOPES)

/** Rejects with `invalid-argument` a scope that does not exist, and with `forbidden` one that the giver has not. */
export function parseScopes(wanted: readonly string[], own: readonly Scope[]): Scope[] {
  return [...new Set(wanted)].map((text) => {
    if (!KNOWN.has(text))
      throw new Failure('invalid-argument', `there is no scope ${text}`, { argument: 'scopes' })
    const scope = text as Scope
    if (!own.includes(scope))
      throw new Failure('forbidden', `a key without ${text} cannot give it`, { scope: text })
    return scope
  })
}

export function requireScope(own: readonly Scope[], scope: Scope): void {
  if (!own.includes(scope)) throw new Failure('forbidden', `this key lacks the scope ${scope}`, { scope })
}

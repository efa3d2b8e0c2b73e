import { Failure } from '@holdfast/base/failure'

export type DatabaseAddress =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: string }

/** `sqlite:/path` or `postgres://…`. Rejects with `invalid-argument`. */
export function parseDatabaseAddress(text: string): DatabaseAddress {
  if (text.startsWith('sqlite:/')) return { kind: 'sqlite', path: text.slice('sqlite:'.length) }
  if (/^postgres(ql)?:\/\//.test(text)) return { kind: 'postgres', url: text }
  throw new Failure('invalid-argument', 'a database is sqlite:/path or postgres://…', {})
}

import { Failure } from '@holdfast/base/failure'

/** Where a role listens: `unix:/path`, or `http://host:port`. */
export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/** Rejects with `invalid-argument`. */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:/')) return { kind: 'unix', path: text.slice('unix:'.length) }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' || url.port === '' || url.pathname !== '/' || url.search !== '')
    throw new Failure('invalid-argument', `${text} is neither unix:/path nor http://host:port`, {
      address: text,
    })
  return { kind: 'tcp', host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) }
}

export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `http://${host}:${address.port}`
}

import { Failure } from '@holdfast/base/failure'

/** Where an image is asked for. */
export interface ImageReference {
  /** `https://host[:port]`; plain http for this machine's own alone. */
  readonly origin: string
  readonly repository: string
  /** A tag, or the digest of its manifest. */
  readonly version: string
}

const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?$/
const REPOSITORY = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/
export const DIGEST = /^sha256:[0-9a-f]{64}$/
const REFERENCE_CHARACTERS_MAX = 1024

/** `host[:port]/name[:tag]` or `host[:port]/name@sha256:…`. Throws `invalid-argument`. Pure. */
export function parseImageReference(text: string): ImageReference {
  const slash = text.indexOf('/')
  const host = text.slice(0, slash)
  const rest = text.slice(slash + 1)
  const at = rest.indexOf('@')
  const named = at < 0 ? rest : rest.slice(0, at)
  const colon = named.indexOf(':')
  const repository = colon < 0 ? named : named.slice(0, colon)
  const tag = colon < 0 ? 'latest' : named.slice(colon + 1)
  const digest = at < 0 ? undefined : rest.slice(at + 1)
  const isWhole =
    slash > 0 &&
    text.length <= REFERENCE_CHARACTERS_MAX &&
    HOST.test(host) &&
    REPOSITORY.test(repository) &&
    TAG.test(tag) &&
    (digest === undefined || DIGEST.test(digest))
  if (!isWhole)
    throw new Failure('invalid-argument', `not an image: ${text}: write host/name:tag or host/name@sha256:…`)
  return { origin: originOf(host), repository, version: digest ?? tag }
}

function originOf(host: string): string {
  return `${LOOPBACK.test(host) ? 'http' : 'https'}://${host}`
}

/** Bytes of an image, and a token for them, come over https, or from this machine when its own registry sends there. */
export function mayFetch(url: URL, origin: string): boolean {
  if (url.username !== '' || url.password !== '') return false
  if (url.protocol === 'https:') return true
  return url.protocol === 'http:' && LOOPBACK.test(url.host) && origin.startsWith('http:')
}

import type { IncomingHttpHeaders } from 'node:http'
import { Failure } from '@holdfast/base/failure'

export type Scheme = 'http' | 'https'

/** Tokens in the order in which they are tried. */
export type Credentials = readonly {
  readonly through: 'header' | 'link' | 'cookie'
  readonly token: string
}[]

const TOKEN_PARAMETER = 'holdfast_token'
const TOKEN_HEADER = 'holdfast-token'
/**
 * A browser keeps the first only with Secure, Path=/ and no Domain, so that no neighbour can set it. Without TLS it keeps
 * no such cookie; the second is for that, on a developer's own machine.
 */
const COOKIES: Readonly<Record<Scheme, string>> = { https: '__Host-holdfast', http: 'holdfast-dev' }
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
/** More of our cookies than a browser sends; each costs a MAC. */
const COOKIES_MAX = 4

export function isOurCookie(name: string): boolean {
  const plain = name.trim().toLowerCase()
  return Object.values(COOKIES).some((ours) => ours.toLowerCase() === plain)
}

export function credentialsOf(headers: IncomingHttpHeaders, target: string, scheme: Scheme): Credentials {
  const header = headers[TOKEN_HEADER]
  const inHeader = typeof header === 'string' ? [header] : []
  const inQuery = new URLSearchParams(queryOf(target)).getAll(TOKEN_PARAMETER).slice(0, 1)
  const inCookie = cookiesNamed(headers.cookie ?? '', COOKIES[scheme]).slice(0, COOKIES_MAX)
  return [
    ...inHeader.map((token) => ({ through: 'header', token }) as const),
    ...inQuery.map((token) => ({ through: 'link', token }) as const),
    ...inCookie.map((token) => ({ through: 'cookie', token }) as const),
  ]
}

/** The target without our parameter; the others keep their spelling. */
export function withoutToken(target: string): string {
  const query = queryOf(target)
  const path = query === '' ? target : target.slice(0, -query.length - 1)
  const kept = query.split('&').filter((pair) => !new URLSearchParams(pair).has(TOKEN_PARAMETER))
  return query === '' || kept.length === 0 ? path : `${path}?${kept.join('&')}`
}

export function visitCookie(token: string, scheme: Scheme, maxAgeSeconds: number): string {
  const secure = scheme === 'https' ? '; Secure' : ''
  return `${COOKIES[scheme]}=${token}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`
}

/** True for a person's browser that opens a page, and not for its scripts, nor for other programs. */
export function isNavigation(headers: IncomingHttpHeaders): boolean {
  const mode = headers['sec-fetch-mode']
  return mode === undefined ? acceptsHtml(headers) : mode === 'navigate'
}

export function acceptsHtml(headers: IncomingHttpHeaders): boolean {
  return /\btext\/html\b/.test(headers.accept ?? '')
}

export interface OriginQuestion {
  readonly headers: IncomingHttpHeaders
  readonly method: string
  readonly scheme: Scheme
  readonly isUpgrade: boolean
  readonly isByCookie: boolean
}

/**
 * Rejects with `forbidden` what a page of another origin began: a WebSocket, and with our cookie anything that may
 * change something. Apps of one domain are one site to a browser, so SameSite does not keep them apart.
 */
export function checkOrigin({ headers, method, scheme, isUpgrade, isByCookie }: OriginQuestion): void {
  const { origin, host = '' } = headers
  const matters = isUpgrade || (isByCookie && !SAFE_METHODS.has(method))
  if (!matters || origin === undefined || isOwnOrigin(origin, host, scheme)) return
  throw new Failure('forbidden', 'a page of another origin began this request')
}

export function isOwnOrigin(origin: string, host: string, scheme: Scheme): boolean {
  return origin.toLowerCase() === `${scheme}://${host.toLowerCase()}`
}

function queryOf(target: string): string {
  const at = target.indexOf('?')
  return at < 0 ? '' : target.slice(at + 1)
}

function cookiesNamed(header: string, name: string): string[] {
  return header.split(';').flatMap((pair) => {
    const at = pair.indexOf('=')
    return at > 0 && pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : []
  })
}

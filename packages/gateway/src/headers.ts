import type { IncomingMessage } from 'node:http'
import { Failure } from '@holdfast/base/failure'
import { API_KEY } from '@holdfast/protocol/api-key'
import type { Route } from './route.ts'
import { isOurCookie, isOwnOrigin, type Scheme } from './visitor.ts'

/** Names and values in turns, as Node reads and writes them: order, spelling and repetition are the sender's. */
export type RawHeaders = readonly string[]

/** They speak of one connection, and there are two. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings', 'expect'],
])
/** Whoever names these in `Connection` wants the app to miss them. */
const NEVER_NAMED: ReadonlySet<string> = new Set(['content-length', 'host', 'cookie', 'set-cookie'])
/** Ours to say, or to keep. */
const OUR_REQUEST_HEADERS =
  /^(holdfast-.*|host|forwarded|x-forwarded-(for|host|proto|port|server|prefix)|x-real-ip)$/
/** An app may not move its origin elsewhere, nor speak in our name. */
const REFUSED_RESPONSE_HEADERS = /^(holdfast-.*|alt-svc)$/
/** Keys of the API, and what opens ports; other authorisation is the app's own, though it begins alike. */
const OUR_SECRETS = [new RegExp(API_KEY.source, 'i'), /\bhx1\.[\w-]+\.[\w-]+/]

export interface Forwarding {
  readonly route: Route
  readonly scheme: Scheme
  /** The Host header of the visitor. */
  readonly host: string
  readonly remoteAddress: string
  /** A proxy of ours stands in front: what it says of the visitor holds. */
  readonly isBehindProxy: boolean
}

/** Rejects with `invalid-argument` a request that two servers may read as two different ones. */
export function checkFraming(request: IncomingMessage, isUpgrade: boolean): void {
  const names = Object.keys(request.headersDistinct)
  const encodings = request.headersDistinct['transfer-encoding'] ?? []
  const lengths = request.headersDistinct['content-length'] ?? []
  const hosts = request.headersDistinct.host ?? []
  const isPlain =
    encodings.length === 0 || (encodings.length === 1 && encodings[0]?.toLowerCase() === 'chunked')
  const isAmbiguous = !isPlain || lengths.length > 1 || (encodings.length > 0 && lengths.length > 0)
  const hasBody = encodings.length > 0 || lengths.some((length) => length !== '0')
  if (
    isAmbiguous ||
    hosts.length !== 1 ||
    names.some((name) => name.includes('_') && name.startsWith('holdfast'))
  )
    throw new Failure('invalid-argument', 'the request can be read in two ways')
  if (isUpgrade && hasBody) throw new Failure('invalid-argument', 'a request to upgrade has no body')
}

/**
 * What the app is sent. It is told that it is `localhost:<port>`, the one name that servers for development accept; a
 * visitor's own origin is told as that name too, so that the app finds them the same. X-Forwarded-* has the public one.
 */
export function requestHeaders(request: IncomingMessage, forwarding: Forwarding): string[] {
  const { route, scheme, host } = forwarding
  const local = `localhost:${route.port}`
  const dropped = connectionNamed(request.headers.connection)
  const kept = pairs(request.rawHeaders).flatMap(([name, value]) => {
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || dropped.has(lower) || OUR_REQUEST_HEADERS.test(lower)) return []
    if (lower === 'authorization' && carriesOurs(value)) return []
    if (lower === 'origin' && isOwnOrigin(value, host, scheme)) return [name, `http://${local}`]
    if (lower !== 'cookie') return [name, value]
    const cookies = route.by === 'path' ? '' : withoutOurCookies(value)
    return cookies === '' ? [] : [name, cookies]
  })
  return ['Host', local, ...kept, ...forwardedHeaders(request, forwarding), ...bodyHeaders(request)]
}

/** What the visitor is sent. */
export function responseHeaders(response: IncomingMessage, { route, scheme, host }: Forwarding): string[] {
  const dropped = connectionNamed(response.headers.connection)
  const local = `http://localhost:${route.port}`
  const kept = pairs(response.rawHeaders).flatMap(([name, value]) => {
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || dropped.has(lower) || REFUSED_RESPONSE_HEADERS.test(lower)) return []
    if (lower === 'set-cookie') return route.by === 'path' ? [] : hostOnlyCookie(name, value)
    const isOwnPlace = lower === 'location' && (value === local || value.startsWith(`${local}/`))
    return isOwnPlace
      ? [name, `${publicPlace(route, scheme, host)}${value.slice(local.length)}`]
      : [name, value]
  })
  return route.by === 'path' ? [...kept, 'Content-Security-Policy', 'sandbox'] : kept
}

function publicPlace(route: Route, scheme: Scheme, host: string): string {
  return `${scheme}://${host}${route.by === 'path' ? pathPrefix(route) : ''}`
}

function pathPrefix(route: Route): string {
  return `/w/${route.workspace}/p/${route.port}`
}

function forwardedHeaders(request: IncomingMessage, forwarding: Forwarding): string[] {
  const { route, scheme, host, remoteAddress, isBehindProxy } = forwarding
  const before = isBehindProxy ? request.headers['x-forwarded-for'] : undefined
  const addresses = before === undefined ? remoteAddress : `${before}, ${remoteAddress}`
  const prefix = route.by === 'path' ? ['X-Forwarded-Prefix', pathPrefix(route)] : []
  return ['X-Forwarded-For', addresses, 'X-Forwarded-Host', host, 'X-Forwarded-Proto', scheme, ...prefix]
}

/** A length is passed on as it is; chunks are made anew. What has neither has no body, and is said to have none. */
function bodyHeaders(request: IncomingMessage): string[] {
  if (request.headers['transfer-encoding'] !== undefined) return ['Transfer-Encoding', 'chunked']
  const isBodiless = request.headers['content-length'] === undefined
  return isBodiless && /^(POST|PUT|PATCH)$/.test(request.method ?? '') ? ['Content-Length', '0'] : []
}

function connectionNamed(header: string | undefined): Set<string> {
  const names = (header ?? '').split(',').map((name) => name.trim().toLowerCase())
  return new Set(names.filter((name) => !NEVER_NAMED.has(name)))
}

/** A program that knows user names and passwords only sends a key as one of them. */
function carriesOurs(authorization: string): boolean {
  const [, encoded = ''] = /^basic\s+(\S+)/i.exec(authorization) ?? []
  const texts = [authorization, Buffer.from(encoded, 'base64').toString('latin1')]
  return texts.some((text) => OUR_SECRETS.some((secret) => secret.test(text)))
}

function withoutOurCookies(header: string): string {
  const others = header.split(';').filter((pair) => !isOurCookie(pair.split('=', 1)[0] ?? ''))
  return others.join(';').trim()
}

/** Nothing for a cookie that is named as ours, or not at all: a browser sends a nameless one as its bare value. */
function hostOnlyCookie(header: string, value: string): string[] {
  const [pair = '', ...attributes] = value.split(';')
  const name = pair.includes('=') ? pair.split('=', 1)[0]?.trim() : ''
  if (name === undefined || name === '' || isOurCookie(name)) return []
  return [header, [pair, ...attributes.filter((text) => !/^\s*domain\s*(=|$)/i.test(text))].join(';')]
}

function pairs(raw: RawHeaders): [string, string][] {
  const found: [string, string][] = []
  for (let at = 0; at + 1 < raw.length; at += 2) found.push([raw[at] ?? '', raw[at + 1] ?? ''])
  return found
}

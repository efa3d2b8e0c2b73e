import { once } from 'node:events'
import { Failure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { requireScope } from '../domain/scopes.ts'
import { authenticate } from '../operations/api-keys.ts'
import type { Caller, Deps } from '../operations/context.ts'
import type { KeyRecord } from '../ports/entities.ts'
import type { StaticFile } from './admin-page.ts'
import { Admission, type AdmissionLimits } from './admission.ts'
import { isDefect, refusalOf } from './answer-failure.ts'
import { type Answer, Idempotency } from './idempotency.ts'
import { parseBody, readText } from './read-body.ts'
import type { RequestCounters } from './request-counters.ts'
import type { Call, Route, UpgradeWire, Wire } from './route.ts'

const URL_CHARACTERS_MAX = 8192

export interface AppOptions {
  readonly deps: Deps
  readonly routes: readonly Route[]
  /** What browsers get without a key. */
  readonly files: readonly StaticFile[]
  readonly randomness: Randomness
  readonly limits: AdmissionLimits
  readonly counters: RequestCounters
  /** Told of failures that are defects. */
  readonly onDefect: (error: unknown, call: string) => void
}

type Bindings = { Bindings: HttpBindings }

/** What a request is let in with. */
interface Entered {
  readonly key: KeyRecord | undefined
  readonly caller: Caller
  readonly params: Readonly<Record<string, string>>
}

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const

/** The public API over its routes: who asks, what they may, the shapes of what they send, and every refusal alike. */
export class App {
  readonly hono: Hono<Bindings>
  readonly #options: AppOptions
  readonly #admission: Admission
  readonly #idempotency: Idempotency

  constructor(options: AppOptions) {
    this.#options = options
    this.#admission = new Admission(options.limits)
    this.#idempotency = new Idempotency(options.deps)
    this.hono = new Hono<Bindings>()
    for (const route of options.routes)
      this.hono.on(route.method, routerPath(route.path), (context) => this.#answer(route, context))
    for (const file of options.files)
      this.hono.on('GET', [...file.paths], (context) => this.#give(file, context))
    this.hono.notFound((context) => this.#refuse(context, new Failure('not-found', 'nothing answers there')))
    this.hono.onError((error, context) => this.#refuse(context, error))
  }

  /** Lets an upgrade in as other requests are, and hands the socket to its route. */
  async upgrade(route: Route, request: Request, wire: UpgradeWire): Promise<void> {
    using _place = this.#admission.enter('stream')
    this.#checkAddress(request.url, wire.incoming.headers.host)
    const { pathname, searchParams } = new URL(request.url)
    const entered = await this.#enter(route, request.headers.get('authorization'), paramsOf(route, pathname))
    using _slot = this.#admission.enterKey(entered.key?.id ?? '', 'stream')
    await route.handle(
      this.#call(route, entered, { query: queryOf(searchParams), body: undefined, signal: request.signal }),
      wire,
    )
    if (!wire.socket.destroyed) await once(wire.socket, 'close')
  }

  async #answer(route: Route, context: Context<Bindings>): Promise<Response> {
    const requestId = newIdentifier('req', this.#options.randomness)
    const begunMs = this.#options.deps.clock.monotonicMs()
    let response: Response
    try {
      response = await this.#answered(route, context)
    } catch (error) {
      response = this.#refuse(context, error, requestId)
    }
    if (!response.headers.has('x-hono-already-sent')) response.headers.set('x-request-id', requestId)
    this.#options.counters.count(route, response.status, this.#options.deps.clock.monotonicMs() - begunMs)
    return response
  }

  async #answered(route: Route, context: Context<Bindings>): Promise<Response> {
    const kind = route.kind === 'stream' ? 'stream' : 'request'
    using _place = this.#admission.enter(kind)
    const { incoming, outgoing } = context.env
    this.#checkAddress(context.req.url, incoming.headers.host)
    const entered = await this.#enter(route, context.req.header('authorization'), context.req.param())
    using _slot = this.#admission.enterKey(
      entered.key?.id ?? '',
      route.kind === 'stream' ? 'stream' : 'request',
    )
    const signal = goneSignal(outgoing)
    const query = queryOf(new URL(context.req.url).searchParams)
    if (route.kind === 'upgrade') throw new Failure('invalid-argument', 'this path speaks WebSocket only')
    if (route.kind === 'stream') {
      const isStillAllowed = () => this.#isStillAllowed(route, context.req.header('authorization'))
      const wire: Wire = { incoming, outgoing, isStillAllowed }
      await route.handle(this.#call(route, entered, { query, body: undefined, signal }), wire)
      return new Response(null, { headers: { 'x-hono-already-sent': 'true' } })
    }
    const text = route.body === undefined ? '' : await readText(incoming, this.#options.deps.clock)
    const answer = await this.#once(context, entered, { route, text, query, signal })
    return new Response(answer.body === '' ? null : answer.body, {
      status: answer.status,
      headers: { ...SECURITY_HEADERS, ...(answer.body === '' ? {} : { 'content-type': 'application/json' }) },
    })
  }

  #give({ headers, body }: StaticFile, context: Context<Bindings>): Response {
    using _place = this.#admission.enter('request')
    this.#checkAddress(context.req.url, context.env.incoming.headers.host)
    return new Response(body, { headers: { ...SECURITY_HEADERS, ...headers } })
  }

  async #once(
    context: Context<Bindings>,
    entered: Entered,
    given: {
      readonly route: Route
      readonly text: string
      readonly query: unknown
      readonly signal: AbortSignal
    },
  ): Promise<Answer> {
    const { route, text, query, signal } = given
    const carryOut = async (randomness: Randomness): Promise<Answer> => {
      const body = route.body?.parse(parseBody(text, context.req.header('content-type')))
      const caller = { ...entered.caller, randomness }
      const answer = await route.handle(this.#call(route, { ...entered, caller }, { query, body, signal }))
      const document = route.answer?.parse(answer)
      return { status: route.status, body: document === undefined ? '' : JSON.stringify(document) }
    }
    const key = context.req.header('idempotency-key')
    if (route.method !== 'POST' || key === undefined) return await carryOut(this.#options.randomness)
    const url = new URL(context.req.url)
    const parts = [route.method, url.pathname, url.search, text]
    const { org } = entered.caller
    return await this.#idempotency.once({ org, key, parts, isSecret: route.isSecret }, carryOut)
  }

  #call(
    route: Route,
    { caller, params }: Entered,
    given: { readonly query: unknown; readonly body: unknown; readonly signal: AbortSignal },
  ): Call<unknown, unknown> {
    return { deps: this.#options.deps, caller, params, ...given, query: route.query.parse(given.query) }
  }

  async #enter(
    route: Route,
    authorization: string | null | undefined,
    params: Readonly<Record<string, string>>,
  ): Promise<Entered> {
    const key =
      route.scope === null ? undefined : await authenticate(this.#options.deps, authorization ?? undefined)
    if (key && route.scope) requireScope(key.scopes, route.scope)
    return { key, caller: callerOf(key, this.#options.randomness), params }
  }

  async #isStillAllowed(route: Route, authorization: string | undefined): Promise<boolean> {
    try {
      await this.#enter(route, authorization, {})
      return true
    } catch {
      return false
    }
  }

  #checkAddress(url: string, host: string | undefined): void {
    if (url.length > URL_CHARACTERS_MAX)
      throw new Failure('too-large', `an address has at most ${URL_CHARACTERS_MAX} characters`)
    const name = (host ?? '').replace(/:\d{1,5}$/, '').toLowerCase()
    if (!this.#options.deps.settings.hostNames.includes(name))
      throw new Failure('misdirected', 'this server is not asked under that name')
  }

  #refuse(
    context: Context<Bindings>,
    error: unknown,
    requestId = newIdentifier('req', this.#options.randomness),
  ): Response {
    if (isDefect(error))
      this.#options.onDefect(error, `${context.req.method} ${context.req.path} ${requestId}`)
    const { status, headers, body } = refusalOf(error, requestId)
    if (context.env.outgoing.headersSent) {
      context.env.outgoing.destroy()
      return new Response(null, { headers: { 'x-hono-already-sent': 'true' } })
    }
    return new Response(JSON.stringify(body), {
      status,
      headers: {
        ...SECURITY_HEADERS,
        ...headers,
        // What is left of a body that nobody read would be taken for the next request.
        ...(context.env.incoming.complete ? {} : { connection: 'close' }),
        'content-type': 'application/json',
        'x-request-id': requestId,
      },
    })
  }
}

function callerOf(key: KeyRecord | undefined, randomness: Randomness): Caller {
  if (key === undefined)
    return { org: '' as Caller['org'], user: '', actor: 'nobody', scopes: [], randomness }
  return { org: key.org, user: key.user, actor: key.id, scopes: key.scopes, randomness }
}

/** `{id}` as the router has it; a file's path takes the slashes too. */
function routerPath(path: string): string {
  return path.replaceAll('{path}', ':path{.+}').replaceAll(/\{(\w+)\}/g, ':$1')
}

/** Of an upgrade, which does not come through the router. */
export function paramsOf(route: Route, pathname: string): Readonly<Record<string, string>> {
  return new RegExp(`^${route.path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`).exec(pathname)?.groups ?? {}
}

/** A name that comes once is a text, one that comes more often a list. */
function queryOf(params: URLSearchParams): Record<string, string | string[]> {
  const names = [...new Set(params.keys())]
  return Object.fromEntries(
    names.map((name) => {
      const [first = '', ...rest] = params.getAll(name)
      return [name, rest.length === 0 ? first : [first, ...rest]]
    }),
  )
}

function goneSignal(outgoing: HttpBindings['outgoing']): AbortSignal {
  const gone = new AbortController()
  // An abort after the whole answer would wake nobody, and costs 0.1 ms.
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  return gone.signal
}

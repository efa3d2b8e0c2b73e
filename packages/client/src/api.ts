import { type FromWire, fromWire, toWire } from '@holdfast/protocol/rest/wire-case'
import type { ClientGround } from './client-ground.ts'
import { errorOfResponse, HoldfastError } from './holdfast-error.ts'
import { type RetryPolicy, retryWaitMs } from './retry.ts'
import { SocketBytes } from './socket-bytes.ts'

export type QueryValue = string | number | boolean | undefined | readonly string[]

/** One request below the server's address. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Its parts are encoded: `pathOf` makes it. */
  readonly path: string
  readonly query?: Readonly<Record<string, QueryValue>>
  /** A document in camelCase. */
  readonly body?: unknown
  /** Bytes in place of a document. A stream can be sent once, so such a call is never tried again. */
  readonly bytes?: Uint8Array | ReadableStream<Uint8Array>
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** The wire type of a schema of protocol/rest, as the SDK shows it. Schemas are only types here: nothing is loaded. */
export type Shown<Schema extends { readonly _zod: { readonly output: unknown } }> = FromWire<
  Schema['_zod']['output']
>
/** What a schema takes, as the SDK's callers write it. */
export type Asked<Schema extends { readonly _zod: { readonly input: unknown } }> = FromWire<
  Schema['_zod']['input']
>

/** Every call may be abandoned. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** `/v1/workspaces/a%20b/files` of `['workspaces', 'a b', 'files']`. */
export function pathOf(...parts: readonly string[]): string {
  return `/v1/${parts.map(encodeURIComponent).join('/')}`
}

/** Requests with authentication, and with the retries that are safe. */
export class Api {
  readonly url: string
  readonly #apiKey: string
  readonly #agent: string | undefined
  readonly #retry: RetryPolicy
  readonly ground: ClientGround

  constructor(options: {
    readonly url: string
    readonly apiKey: string
    readonly agent?: string | undefined
    readonly retry: RetryPolicy
    readonly ground: ClientGround
  }) {
    this.url = options.url.replace(/\/+$/, '')
    this.#apiKey = options.apiKey
    this.#agent = options.agent
    this.#retry = options.retry
    this.ground = options.ground
  }

  /** The document that is answered, in camelCase. It is not checked: a newer server may say more than is known here. */
  async json<Document>(call: Call): Promise<Document> {
    const response = await this.open(call)
    const text = await response.text()
    return fromWire(text === '' ? null : JSON.parse(text)) as Document
  }

  /** A call whose answer is of no interest. */
  async finish(call: Call): Promise<void> {
    const response = await this.open(call)
    await response.body?.cancel()
  }

  /** The answer, its body unread. Rejects with a HoldfastError, or with the reason of the signal. */
  async open(call: Call): Promise<Response> {
    const request = this.#requestOf(call)
    const canRepeat = !(call.bytes instanceof ReadableStream)
    for (let number = 1; ; number++) {
      const answer = await this.#attempt(this.#urlOf(call), request)
      if (!(answer instanceof HoldfastError)) return answer
      const attempt = { number, random: this.ground.random() }
      const waitMs = canRepeat ? retryWaitMs(answer, attempt, this.#retry) : undefined
      if (waitMs === undefined) throw answer
      await this.ground.sleep(waitMs, call.signal)
    }
  }

  /** The bytes of a WebSocket to a path. */
  socket(path: string, query: Readonly<Record<string, QueryValue>>): SocketBytes {
    const url = this.#urlOf({ path, query }).replace(/^http/, 'ws')
    return new SocketBytes(this.ground.openSocket(url, this.#apiKey), this.ground.sleep)
  }

  async #attempt(url: string, request: RequestInit): Promise<Response | HoldfastError> {
    try {
      const response = await this.ground.fetch(url, request)
      return response.ok ? response : await errorOfResponse(response)
    } catch (error) {
      request.signal?.throwIfAborted()
      return new HoldfastError({
        code: 'server-unreachable',
        message: `${this.url} does not answer: ${reasonOf(error)}`,
        cause: error,
      })
    }
  }

  #urlOf({ path, query = {} }: Pick<Call, 'path' | 'query'>): string {
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined) continue
      if (typeof value === 'object') for (const each of value) search.append(name, each)
      else search.append(name, String(value))
    }
    return `${this.url}${path}${search.size === 0 ? '' : `?${search}`}`
  }

  /** The same at every attempt, with one Idempotency-Key. */
  #requestOf(call: Call): RequestInit {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#apiKey}`, ...call.headers }
    if (this.#agent !== undefined) headers['user-agent'] = this.#agent
    if (call.method === 'POST') headers['idempotency-key'] ??= this.ground.newKey()
    const request: RequestInit = { method: call.method, headers, signal: call.signal ?? null }
    if (call.bytes !== undefined) {
      headers['content-type'] = call.contentType ?? 'application/octet-stream'
      return Object.assign(request, { body: call.bytes, duplex: 'half' })
    }
    if (call.body === undefined) return request
    headers['content-type'] = 'application/json'
    return { ...request, body: JSON.stringify(toWire(call.body)) }
  }
}

/** The innermost cause: fetch hides it behind `fetch failed`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error.cause === undefined ? error.message : reasonOf(error.cause)
}

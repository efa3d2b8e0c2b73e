import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { Failure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import type { RpcRequest, RpcResponse, RpcTable } from '@holdfast/protocol/rpc-table'
import { WireFailure } from '@holdfast/protocol/wire-failure'
import type { Dispatcher } from 'undici'
import { type Replica, Replicas } from './replicas.ts'

const CALL_MS_DEFAULT = 30_000
/** A role that is there answers an upgrade as soon as it has connected on. */
const UPGRADE_MS_MAX = 10_000
/** An upload is answered at its end. */
const STREAM_OPEN_MS_MAX = 300_000

export interface RpcClientOptions {
  /** Several for a role of which several run: a call that one leaves unanswered is made to the next. */
  readonly address: string | readonly string[]
  /** What all roles of an installation share; sent with each call. */
  readonly clusterKey: string
  /** What it means that nobody answers there. */
  readonly unreachable: FailureCode
}

export interface CallOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface StreamRequest {
  readonly method: 'GET' | 'PUT'
  readonly path: string
  readonly query: Readonly<Record<string, string | number>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Readable | Uint8Array | null
  readonly signal?: AbortSignal
  /** Until the answer begins. */
  readonly headersTimeoutMs?: number
}

export interface UpgradeRequest extends Pick<StreamRequest, 'path' | 'query' | 'headers'> {
  /** What the connection speaks from then on. */
  readonly protocol: string
}

export interface Upgraded {
  readonly headers: IncomingHttpHeaders
  readonly socket: Duplex
}

/** Calls one role. Rejects with the failure that the role met, else with `unreachable` or `timed-out`. */
export class RpcClient<Table extends RpcTable> implements AsyncDisposable {
  readonly #table: Table
  readonly #options: RpcClientOptions
  readonly #replicas: Replicas

  constructor(table: Table, options: RpcClientOptions) {
    this.#table = table
    this.#options = options
    this.#replicas = new Replicas(options.address)
  }

  async call<Name extends keyof Table & string>(
    name: Name,
    request: RpcRequest<Table, Name>,
    options: CallOptions = {},
  ): Promise<RpcResponse<Table, Name>> {
    const timeoutMs = options.timeoutMs ?? CALL_MS_DEFAULT
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
    const sent: Dispatcher.RequestOptions = {
      method: 'POST',
      path: `/rpc/${name}`,
      headers: { ...this.#headers(), 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    }
    const answer = await this.#asked(name, signal, async (replica) => {
      const { statusCode, body } = await replica.request(sent)
      return { status: statusCode, text: await body.text() }
    })
    const document: unknown = JSON.parse(answer.text)
    if (answer.status !== 200) throw failureFrom(document, this.#options.unreachable)
    return this.#table[name]?.response.parse(document) as RpcResponse<Table, Name>
  }

  /** Opens a stream; the body is the caller's to read or destroy. */
  async stream(request: StreamRequest): Promise<Dispatcher.ResponseData> {
    const { method, path, headers, body, signal, headersTimeoutMs = STREAM_OPEN_MS_MAX } = request
    const replica = this.#replicas.present
    const response = await replica
      .request({
        method,
        path: withQuery(path, request.query),
        headers: { ...this.#headers(), ...headers },
        body: body ?? null,
        ...(signal ? { signal } : {}),
        headersTimeout: headersTimeoutMs,
        bodyTimeout: 0,
      })
      .catch((error: unknown) => {
        throw this.#unanswered(error, { name: path, replica })
      })
    if (response.statusCode < 300) return response
    throw failureFrom(JSON.parse(await response.body.text()), this.#options.unreachable)
  }

  /** Opens raw bytes in both directions, by HTTP's Upgrade. A refusal arrives as the failure that it is. */
  async upgrade(path: string, query: StreamRequest['query'], protocol: string): Promise<Duplex> {
    return (await this.handshake({ path, query, protocol })).socket
  }

  /** `upgrade` for a protocol that begins with headers. */
  async handshake(request: UpgradeRequest): Promise<Upgraded> {
    const replica = this.#replicas.present
    try {
      return await this.#upgraded(replica, request)
    } catch (error) {
      throw error instanceof Failure ? error : this.#unanswered(error, { name: request.path, replica })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#replicas[Symbol.asyncDispose]()
  }

  /** By Node's own client: undici's keeps no body of an answer that is no upgrade. */
  #upgraded({ address }: Replica, { path, query, protocol, headers }: UpgradeRequest): Promise<Upgraded> {
    const request = httpRequest({
      ...(address.kind === 'unix'
        ? { socketPath: address.path }
        : { host: address.host, port: address.port }),
      path: withQuery(path, query),
      agent: false,
      timeout: UPGRADE_MS_MAX,
      headers: { ...headers, ...this.#headers(), connection: 'upgrade', upgrade: protocol },
    })
    return new Promise((resolve, reject) => {
      request.on('error', reject)
      request.on('timeout', () => request.destroy(new DOMException('no answer', 'TimeoutError')))
      request.on('upgrade', (response, socket, head) => {
        socket.setTimeout(0)
        if (head.length > 0) socket.unshift(head)
        resolve({ headers: response.headers, socket })
      })
      request.on('response', (response) => {
        refusalOf(response, this.#options.unreachable).then(reject, reject)
      })
      request.end()
    })
  }

  #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#options.clusterKey}` }
  }

  /** Each replica once, as long as there is time: a call may be made again, so that one without an answer is no end. */
  async #asked<T>(name: string, signal: AbortSignal, ask: (replica: Replica) => Promise<T>): Promise<T> {
    for (let asked = 1; ; asked++) {
      const replica = this.#replicas.present
      try {
        return await ask(replica)
      } catch (error) {
        this.#replicas.leave(replica)
        if (asked >= this.#replicas.count || signal.aborted) throw this.#unanswered(error, { name, replica })
      }
    }
  }

  #unanswered(
    error: unknown,
    { name, replica }: { readonly name: string; readonly replica: Replica },
  ): Failure {
    const isTimeout = error instanceof Error && error.name === 'TimeoutError'
    const code = isTimeout ? 'timed-out' : this.#options.unreachable
    const { text: address } = replica
    return new Failure(code, `${name} got no answer from ${address}`, { address, call: name }, error)
  }
}

function withQuery(path: string, query: StreamRequest['query']): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) params.set(name, String(value))
  return `${path}?${params}`
}

async function refusalOf(response: IncomingMessage, otherwise: FailureCode): Promise<Failure> {
  let text = ''
  for await (const part of response.setEncoding('utf8')) text += part
  return failureFrom(JSON.parse(text), otherwise)
}

function failureFrom(document: unknown, otherwise: FailureCode): Failure {
  const parsed = WireFailure.safeParse(document)
  if (!parsed.success) return new Failure(otherwise, 'the answer is not one of this protocol')
  const { code, message, details } = parsed.data
  return new Failure(code, message, details)
}

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { AttachControl } from '@holdfast/protocol/host-streams'
import { AttachQuery } from '@holdfast/protocol/rest/exec'
import { ENDED_CLOSE, PORT_UNREACHABLE_CLOSE } from '@holdfast/protocol/rest/socket-close'
import { type WebSocket, WebSocketServer } from 'ws'
import { z } from 'zod'
import {
  type DoubleCall,
  type DoubleRoute,
  paramsOf,
  queryOf,
  Refusal,
  readBytes,
  sendDocument,
  sendRefusal,
  waitMsOf,
} from './api-double-wire.ts'
import type { DoubleExec } from './double-exec.ts'
import { execRoutes } from './double-exec-routes.ts'
import { fileRoutes } from './double-file-routes.ts'
import { platformRoutes } from './double-platform-routes.ts'
import { DoubleState } from './double-state.ts'
import { workspaceRoutes } from './double-workspace-routes.ts'

/** One thing that goes wrong with one request. */
export type ApiFault =
  | {
      readonly kind: 'refuse'
      readonly code: 'overloaded' | 'too-many-requests'
      readonly retryAfterSeconds?: number
    }
  /** Cuts the connection before or after the request had its effect. */
  | { readonly kind: 'cut'; readonly when: 'before' | 'after' }
  /** Cuts an SSE stream after so many bytes. */
  | { readonly kind: 'cut-stream'; readonly afterBytes: number }

/** Says what goes wrong with the `n`-th request of that method and path, counted from 1. */
export type ApiFaultPlan = (line: string, n: number) => ApiFault | undefined

/** Starts a server of the public API on 127.0.0.1, with folders for workspaces and processes of this machine for commands. */
export async function startApiDouble(plan: ApiFaultPlan = () => undefined): Promise<ApiDouble> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new ApiDouble(server, plan)
}

/** Strict: a request or an answer of another shape than the API's is a complaint, and disposing of it throws them. */
export class ApiDouble extends DoubleState implements AsyncDisposable {
  readonly apiKey = 'hk_double'
  readonly complaints: string[] = []
  /** `METHOD /path` of each request, in order. */
  readonly requests: string[] = []
  readonly #server: Server
  readonly #plan: ApiFaultPlan
  readonly #routes: readonly DoubleRoute[]
  readonly #answers = new Map<string, { readonly asked: string; readonly document: unknown }>()
  readonly #sockets = new WebSocketServer({ noServer: true })

  constructor(server: Server, plan: ApiFaultPlan) {
    super()
    this.#server = server
    this.#plan = plan
    this.#routes = [
      ...workspaceRoutes(this),
      ...execRoutes(this),
      ...fileRoutes(this),
      ...platformRoutes(this),
    ]
    server.on('request', (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        this.complaints.push(String(error instanceof Error ? error.stack : error))
        response.destroy()
      })
    })
    server.on('upgrade', (request, socket, head) => {
      this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#upgraded(request, opened))
    })
  }

  get url(): string {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url)
    const line = `${request.method} ${pathname}`
    this.requests.push(line)
    const fault = this.#plan(line, this.requests.filter((each) => each === line).length)
    const bytes = await readBytes(request)
    if (fault?.kind === 'cut' && fault.when === 'before') return void response.destroy()
    if (fault?.kind === 'refuse')
      return sendRefusal(response, new Refusal(fault.code, 'as planned'), fault.retryAfterSeconds)
    if (fault?.kind === 'cut-stream') cutAfter(response, fault.afterBytes)
    const method = request.method ?? ''
    const call: DoubleCall = { method, path: pathname, search: searchParams, request, response, bytes }
    try {
      const document = await this.#documentFor(call)
      if (fault?.kind === 'cut') return void response.destroy()
      if (document !== STREAMED) sendDocument(response, 200, document)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      sendRefusal(response, error)
    }
  }

  async #documentFor(call: DoubleCall): Promise<unknown> {
    if (call.request.headers.authorization !== `Bearer ${this.apiKey}`)
      throw new Refusal('unauthenticated', 'an unknown key')
    const key = call.request.headers['idempotency-key']
    if (call.method === 'POST' && typeof key !== 'string')
      this.complaints.push(`${call.path} came without an Idempotency-Key`)
    const asked = `${call.path}?${call.search} ${call.bytes.toString('base64')}`
    const before = this.#answers.get(String(key))
    if (call.method === 'POST' && before !== undefined) {
      if (before.asked !== asked) throw new Refusal('idempotency-mismatch', 'another request had that key')
      return before.document
    }
    const document = await this.#run(call)
    if (call.method === 'POST' && document !== STREAMED) this.#answers.set(String(key), { asked, document })
    return document
  }

  async #run(call: DoubleCall): Promise<unknown> {
    for (const route of this.#routes) {
      const params = route.endpoint.method === call.method ? paramsOf(route.endpoint, call.path) : undefined
      if (params === undefined) continue
      const query = this.#shaped(route.query, queryOf(call.search), `${call.path} query`)
      const body =
        route.body === undefined ? undefined : this.#shaped(route.body, jsonOf(call), `${call.path} body`)
      const waitMs = waitMsOf(call.search)
      const answer = await route.run(call, { params, query, body, waitMs } as never)
      if (route.answer === undefined) return STREAMED
      return this.#shaped(route.answer, answer, `${call.path} answer`)
    }
    this.complaints.push(`the double has no ${call.method} ${call.path}`)
    throw new Refusal('not-found', `no ${call.path}`)
  }

  #shaped(schema: z.ZodType, value: unknown, what: string): unknown {
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    this.complaints.push(`${what}: ${z.prettifyError(parsed.error)}`)
    throw new Refusal('invalid-argument', `${what} has another shape`)
  }

  #upgraded(request: IncomingMessage, socket: WebSocket): void {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url)
    const known = request.headers.authorization === `Bearer ${this.apiKey}`
    const attached = /^\/v1\/workspaces\/([^/]+)\/execs\/([^/]+)\/attach$/.exec(pathname)
    const port = /^\/v1\/workspaces\/[^/]+\/ports\/(\d+)$/.exec(pathname)?.[1]
    if (known && attached) this.#attach(this.exec(attached[1] ?? '', attached[2] ?? ''), searchParams, socket)
    else if (known && port !== undefined) joinPort(Number(port), socket)
    else socket.close(4401, 'an unknown key or path')
  }

  #attach(exec: DoubleExec, searchParams: URLSearchParams, socket: WebSocket): void {
    let { after } = AttachQuery.parse(queryOf(searchParams))
    const send = () => {
      for (const piece of exec.pieces.filter(({ sequence }) => sequence > after)) {
        after = piece.sequence
        socket.send(Buffer.from(piece.bytes, 'base64'))
      }
      if (!exec.isRunning) socket.close(ENDED_CLOSE)
    }
    exec.changes.on('change', send)
    socket.on('close', () => exec.changes.off('change', send))
    socket.on('message', (message: Buffer, isBinary) => {
      if (isBinary) return exec.write(message)
      const control = this.#shaped(AttachControl, JSON.parse(message.toString()), 'attach') as AttachControl
      if (control.kind === 'resize') exec.sizes.push({ columns: control.columns, rows: control.rows })
      if (control.kind === 'signal') exec.signal(control.signal)
    })
    send()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const workspace of this.workspaces.values()) workspace[Symbol.dispose]()
    this.#sockets.close()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
    if (this.complaints.length > 0) throw new Error(this.complaints.join('\n'))
  }
}

const STREAMED = Symbol('streamed')

function jsonOf({ request, bytes }: DoubleCall): unknown {
  if (bytes.length === 0) return {}
  if (request.headers['content-type'] !== 'application/json') return undefined
  return JSON.parse(bytes.toString('utf8'))
}

function joinPort(port: number, socket: WebSocket): void {
  const connection = connect(port, '127.0.0.1')
  connection.on('data', (bytes) => socket.send(bytes))
  connection.on('end', () => socket.close(ENDED_CLOSE))
  connection.on('error', ({ message }) => socket.close(PORT_UNREACHABLE_CLOSE, message))
  socket.on('message', (bytes: Buffer) => connection.write(bytes))
  socket.on('close', () => connection.destroy())
}

/** Lets so many bytes of the body through. */
function cutAfter(response: ServerResponse, bytesMax: number): void {
  const write = response.write.bind(response)
  let sent = 0
  response.write = (part: string | Uint8Array) => {
    sent += part.length
    const whole = write(part)
    if (sent >= bytesMax) response.socket?.end()
    return whole
  }
}

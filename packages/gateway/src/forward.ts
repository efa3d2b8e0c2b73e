import { type ClientRequest, type IncomingMessage, type RequestOptions, ServerResponse } from 'node:http'
import { type Duplex, pipeline } from 'node:stream'
import { Failure, isFailure } from '@holdfast/base/failure'
import { type Forwarding, requestHeaders, responseHeaders } from './headers.ts'
import { joinSockets } from './join-sockets.ts'
import type { GatewayLimits } from './limits.ts'

export interface ForwardDeps {
  /** A request that has its connection. */
  readonly begin: (options: RequestOptions) => Promise<ClientRequest>
  readonly limits: GatewayLimits
}

/** Carries one request and its answer; both bodies stream. Rejects before the answer has begun, or not at all. */
export async function forwardRequest(
  deps: ForwardDeps,
  forwarding: Forwarding,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<void> {
  const options = optionsOf(request, forwarding, deps.limits)
  const answer = await exchange(deps, options, { request, response })
  response.writeHead(answer.statusCode ?? 200, answer.statusMessage, responseHeaders(answer, forwarding))
  response.flushHeaders()
  // What breaks off after this point shows as a connection that is cut: a shorter body would pass for a whole one.
  pipeline(answer, response, () => {
    // The app has answered without reading all: the rest goes nowhere, so that the connection can carry the next request.
    if (request.complete) return
    request.unpipe()
    request.resume()
  })
}

/** Carries an upgrade: the app's 101 and then bytes both ways, or whatever else it answers. */
export async function forwardUpgrade(
  deps: ForwardDeps,
  forwarding: Forwarding,
  {
    request,
    socket,
    head,
  }: { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
): Promise<void> {
  const options = optionsOf(request, forwarding, deps.limits)
  const upgrade = request.headers.upgrade ?? ''
  options.headers = [...options.headers, 'Connection', 'Upgrade', 'Upgrade', upgrade]
  const upstream = await deps.begin(options)
  socket.once('close', () => upstream.destroy())
  upstream.end()
  const answer = await answerOf(upstream, true)
  if (answer.socket === undefined)
    return answerPlainly(request, socket, { answer: answer.response, forwarding })
  const headers = [
    ...responseHeaders(answer.response, forwarding),
    'Connection',
    'Upgrade',
    'Upgrade',
    upgrade,
  ]
  socket.write(statusAndHeaders(answer.response, headers))
  if (answer.head.length > 0) socket.write(answer.head)
  if (head.length > 0) answer.socket.write(head)
  joinSockets(socket, answer.socket)
}

/** A kept connection may have been closed by the app just when it was taken: what is safe to repeat is repeated. */
async function exchange(
  deps: ForwardDeps,
  options: RequestOptions,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<IncomingMessage> {
  const isRepeatable = !hasBody(request) && /^(GET|HEAD|OPTIONS)$/.test(options.method ?? '')
  for (let attempt = 1; ; attempt++) {
    const upstream = await deps.begin(options)
    response.once('close', () => upstream.destroy())
    if (hasBody(request)) {
      upstream.flushHeaders()
      request.pipe(upstream)
    } else upstream.end()
    try {
      return (await answerOf(upstream, false)).response
    } catch (error) {
      request.unpipe(upstream)
      if (!isRepeatable || !upstream.reusedSocket || attempt > 1 || response.destroyed) throw error
    }
  }
}

interface Answer {
  readonly response: IncomingMessage
  readonly socket: Duplex | undefined
  readonly head: Buffer
}

function answerOf(upstream: ClientRequest, isUpgrade: boolean): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const tooLate = () => upstream.destroy(new Failure('timed-out', 'the app has not answered'))
    upstream.on('timeout', tooLate)
    upstream.on('error', (error) => {
      reject(isFailure(error) ? error : new Failure('port-unreachable', 'the app broke off', {}, error))
    })
    upstream.on('response', (response) => {
      upstream.off('timeout', tooLate)
      if (!isStatus(response.statusCode))
        reject(new Failure('port-unreachable', 'the app answers without a status'))
      resolve({ response, socket: undefined, head: Buffer.alloc(0) })
    })
    upstream.on('upgrade', (response, socket, head) => {
      socket.setTimeout(0)
      if (isUpgrade) return resolve({ response, socket, head })
      socket.destroy()
      reject(new Failure('port-unreachable', 'the app switched protocols without being asked'))
    })
  })
}

function optionsOf(request: IncomingMessage, forwarding: Forwarding, limits: GatewayLimits) {
  const headers = requestHeaders(request, forwarding)
  return { method: request.method ?? 'GET', path: forwarding.route.target, headers, timeout: limits.answerMs }
}

function isStatus(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status <= 999
}

function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  return encoding !== undefined || (length !== undefined && length !== '0')
}

/** The app answers, and does not upgrade. */
function answerPlainly(
  request: IncomingMessage,
  socket: Duplex,
  { answer, forwarding }: { readonly answer: IncomingMessage; readonly forwarding: Forwarding },
): void {
  const response = responseOn(request, socket)
  response.writeHead(answer.statusCode ?? 200, answer.statusMessage, responseHeaders(answer, forwarding))
  pipeline(answer, response, () => {})
}

/** A response on the socket of a request to upgrade, which Node leaves to us; its end closes the socket. */
export function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0])
  response.on('finish', () => socket.end())
  return response
}

function statusAndHeaders(response: IncomingMessage, headers: readonly string[]): string {
  const lines = [`HTTP/1.1 101 ${response.statusMessage}`]
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

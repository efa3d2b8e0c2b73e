import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { Holdfast } from '@holdfast/client/holdfast'
import { HoldfastError } from '@holdfast/client/holdfast-error'
import type { Workspace } from '@holdfast/client/workspace'
import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import { z } from 'zod'
import { parseConnectFrame } from './connect-frames.ts'
import { FILESYSTEM } from './filesystem.ts'
import { Processes } from './processes.ts'

/** The first version whose clients leave the user of a call to the server. */
const ENVD_VERSION = '0.4.0'
const TIMEOUT_SECONDS_DEFAULT = 300
const Create = z.looseObject({
  timeout: z.number().default(TIMEOUT_SECONDS_DEFAULT),
  metadata: z.record(z.string(), z.string()).default({}),
})
const Timeout = z.strictObject({ timeout: z.number() })
const ORIGIN = 'http://adapter'

interface Sandbox {
  readonly workspace: Workspace
  readonly processes: Processes
  readonly accessToken: string
  expiry: NodeJS.Timeout
}

/** As much of the E2B protocol as the spike calls, on the SDK alone. Nothing of it is kept: it shows what the API carries. */
export class Adapter implements AsyncDisposable {
  readonly #url: string
  readonly #sandboxes = new Map<string, Sandbox>()
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch((error: unknown) => refuse(response, error))
  })

  private constructor(url: string) {
    this.#url = url
  }

  /** In front of a server; where it listens is `url`. */
  static async start(server: string): Promise<Adapter> {
    const adapter = new Adapter(server)
    await once(adapter.#server.listen(0, '127.0.0.1'), 'listening')
    return adapter
  }

  get url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { expiry } of this.#sandboxes.values()) clearTimeout(expiry)
    this.#server.closeAllConnections()
    await once(this.#server.close(), 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', ORIGIN)
    const [, id, action] = /^\/sandboxes\/([^/]+)(?:\/(\w+))?$/.exec(url.pathname) ?? []
    if (url.pathname === '/v2/sandboxes' && request.method === 'POST')
      return await this.#create(request, response)
    if (id !== undefined) return await this.#control(request, response, { id, action })
    await this.#envd(request, response, url)
  }

  async #create(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { timeout, metadata } = Create.parse(JSON.parse(String(await buffer(request))))
    const holdfast = new Holdfast({ url: this.#url, apiKey: String(request.headers['x-api-key']) })
    const workspace = await holdfast.create({ labels: metadata })
    const sandbox: Sandbox = {
      workspace,
      processes: new Processes(workspace),
      accessToken: crypto.randomUUID(),
      expiry: this.#expiry(workspace.id, timeout),
    }
    this.#sandboxes.set(workspace.id, sandbox)
    answer(response, 201, {
      ...{ sandboxID: workspace.id, templateID: 'base', clientID: 'holdfast', envdVersion: ENVD_VERSION },
      envdAccessToken: sandbox.accessToken,
    })
  }

  async #control(
    request: IncomingMessage,
    response: ServerResponse,
    { id, action }: { readonly id: string; readonly action: string | undefined },
  ): Promise<void> {
    const sandbox = this.#sandboxes.get(id)
    if (sandbox === undefined) return answer(response, 404, { code: 404, message: `no sandbox ${id}` })
    if (request.method === 'DELETE') {
      await this.#remove(id)
      response.writeHead(204).end()
    } else if (action === 'timeout') {
      const { timeout } = Timeout.parse(JSON.parse(String(await buffer(request))))
      clearTimeout(sandbox.expiry)
      sandbox.expiry = this.#expiry(id, timeout)
      response.writeHead(204).end()
    } else
      answer(response, 501, { code: 501, message: `${request.method} ${request.url} is not in the spike` })
  }

  #expiry(id: string, seconds: number): NodeJS.Timeout {
    return setTimeout(() => void this.#remove(id), seconds * 1000)
  }

  async #remove(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id)
    this.#sandboxes.delete(id)
    clearTimeout(sandbox?.expiry)
    await sandbox?.workspace.remove({ force: true })
  }

  /** What is spoken with one sandbox: which one says a header. */
  async #envd(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const sandbox = this.#sandboxes.get(String(request.headers['e2b-sandbox-id']))
    if (sandbox === undefined) return answer(response, 502, { code: 502, message: 'the sandbox is gone' })
    if (url.pathname === '/health') return void response.writeHead(204).end()
    if (request.headers['x-access-token'] !== sandbox.accessToken)
      return answer(response, 401, { code: 'unauthenticated', message: 'another access token' })
    const { files } = sandbox.workspace
    const path = url.searchParams.get('path') ?? ''
    const [, service, call = ''] = /^\/(\w+)\.\w+\/(\w+)$/.exec(url.pathname) ?? []
    if (url.pathname === '/files' && request.method === 'GET')
      return await pipeline(Readable.fromWeb((await files.download(path)) as never), response)
    const body = await buffer(request)
    if (url.pathname === '/files') return answer(response, 200, await upload(files, path, { request, body }))
    if (service === 'process' && call === 'Start') {
      response.writeHead(200, { 'content-type': 'application/connect+json' })
      return await pipeline(Readable.from(sandbox.processes.start(parseConnectFrame(body))), response)
    }
    const asked: unknown = JSON.parse(String(body))
    if (service === 'process' && call === 'SendSignal')
      return answer(response, 200, await sandbox.processes.signal(asked))
    const ask = service === 'filesystem' ? FILESYSTEM[call] : undefined
    if (ask) return answer(response, 200, await ask(files, asked))
    answer(response, 501, { code: 'unimplemented', message: `${url.pathname} is not in the spike` })
  }
}

async function upload(
  files: Workspace['files'],
  path: string,
  { request, body }: { readonly request: IncomingMessage; readonly body: Uint8Array<ArrayBuffer> },
): Promise<object> {
  const form = await new Response(body, {
    headers: { 'content-type': String(request.headers['content-type']) },
  }).formData()
  const written = []
  for (const part of form.getAll('file')) {
    if (typeof part === 'string') continue
    const { path: at } = await files.write(path || part.name, new Uint8Array(await part.arrayBuffer()))
    written.push({ name: at.split('/').at(-1), type: 'file', path: `/workspace/${at}` })
  }
  return written
}

function answer(response: ServerResponse, status: number, document: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document))
}

/** Connect's codes are those of the API with underscores. */
function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  const code = error instanceof HoldfastError && error.code in FAILURES ? error.code : 'internal'
  answer(response, FAILURES[code as FailureCode].http, {
    code: code.replaceAll('-', '_'),
    message: String(error),
  })
}

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@holdfast/base/clock'
import { kindOfS3Call, S3Bucket, type S3RequestKind } from './s3-bucket.ts'
import { checkS3Signature, type S3KeyPair } from './s3-signature.ts'
import { readS3Call, receiveS3Body, type S3Answer, type S3Call, s3Error } from './s3-wire.ts'

/** One thing that goes wrong with one request. */
export type S3Fault =
  /** Answers so, without effect: 503 SlowDown, 409 ConditionalRequestConflict, 507 QuotaExceeded … */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** Cuts the connection, before or after the request had its effect. */
  | { readonly kind: 'cut'; readonly when: 'before' | 'after' }
  /** Cuts the connection once more than `bytes` of the request's body have come, without effect. */
  | { readonly kind: 'cut-upload'; readonly bytes: number }
  /** Answers 200 with the whole length, and cuts the connection after `bytes` of the body. */
  | { readonly kind: 'truncate'; readonly bytes: number }
  /** Has its effect at once, and answers after `ms`. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Cuts the connection, and has its effect after `ms`. */
  | { readonly kind: 'apply-later'; readonly ms: number }
  /** Answers a ranged get with the whole object and status 200. */
  | { readonly kind: 'ignore-range' }
  /** Answers each page of a listing with the first. */
  | { readonly kind: 'ignore-token' }
  /** Answers a listing as if there were no object. */
  | { readonly kind: 'list-nothing' }

/** Says what goes wrong with the `n`-th request of a kind, counted from 1. */
export type S3FaultPlan = (kind: S3RequestKind, key: string, n: number) => S3Fault | undefined

export interface S3DoubleOptions {
  readonly bucket?: string
  /** Keys on one page of a listing; small, so that listings have several. */
  readonly pageKeysMax?: number
  readonly ignoresIfNoneMatch?: boolean
  /** Added to each request before it has its effect. */
  readonly latencyMs?: number
  /** How much later it is by the service's clock, which refuses requests signed over 15 minutes off. */
  readonly clockAheadMs?: number
  readonly plan?: S3FaultPlan
}

const keys: S3KeyPair = {
  accessKeyId: 'HOLDFASTTESTKEY',
  secretAccessKey: 'holdfast-test-secret',
  region: 'us-east-1',
}

/** Starts an S3 service with one bucket on 127.0.0.1: strict about signatures, checksums and what it does not know. */
export async function startS3Double(options: S3DoubleOptions = {}): Promise<S3Double> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new S3Double(server, options)
}

export class S3Double implements AsyncDisposable {
  readonly credentials = { accessKeyId: keys.accessKeyId, secretAccessKey: keys.secretAccessKey }
  readonly endpoint: string
  /** Requests so far by kind, failed ones included. */
  readonly counts: Record<S3RequestKind, number> = { put: 0, get: 0, head: 0, delete: 0, list: 0, other: 0 }
  /** Decides what goes wrong; may be replaced at any time. */
  plan: S3FaultPlan
  latencyMs: number
  readonly bucket: S3Bucket
  readonly #clockAheadMs: number
  readonly #server: Server
  readonly #bucketName: string

  constructor(server: Server, options: S3DoubleOptions) {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the server does not listen on TCP')
    this.endpoint = `http://127.0.0.1:${address.port}`
    this.plan = options.plan ?? (() => undefined)
    this.latencyMs = options.latencyMs ?? 0
    this.#clockAheadMs = options.clockAheadMs ?? 0
    this.#bucketName = options.bucket ?? 'workspaces'
    this.#server = server
    this.bucket = new S3Bucket({
      pageKeysMax: options.pageKeysMax ?? 3,
      ignoresIfNoneMatch: options.ignoresIfNoneMatch ?? false,
      now: () => this.#now(),
    })
    server.on('request', (request, response) => {
      this.#serve(request, response).catch(() => cut(response))
    })
  }

  /** The store's address for keys below `prefix`. */
  addressOf(prefix: string): string {
    return `s3://${this.#bucketName}/${prefix}?endpoint=${this.endpoint}&region=${keys.region}&path_style=true`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #now(): number {
    return systemClock.wallMs() + this.#clockAheadMs
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('date', new Date(this.#now()).toUTCString())
    const head = readS3Call(request)
    const kind = kindOfS3Call(head)
    this.counts[kind] += 1
    const fault = this.plan(kind, head.key, this.counts[kind])
    const bytesMax = fault?.kind === 'cut-upload' ? fault.bytes : undefined
    const body = await receiveS3Body(request, bytesMax)
    if (!body) return cut(response)
    const call = { ...head, body }
    if (this.latencyMs > 0) await delay(this.latencyMs)
    if (fault?.kind === 'apply-later') return this.#applyLater(kind, call, { response, ms: fault.ms })
    if (fault?.kind === 'cut' && fault.when === 'before') return cut(response)
    if (fault?.kind === 'answer') return send(response, call, s3Error(fault.status, fault.code))
    const answer = this.#answer(kind, call, fault)
    if (fault?.kind === 'cut') return cut(response)
    if (fault?.kind === 'truncate') return sendTruncated(response, answer, fault.bytes)
    if (fault?.kind === 'slow') await delay(fault.ms)
    send(response, call, answer)
  }

  #answer(kind: S3RequestKind, call: S3Call, fault?: S3Fault): S3Answer {
    const refusal = checkS3Signature(call, keys, this.#now())
    if (refusal) return refusal
    if (call.bucket !== this.#bucketName) return s3Error(404, 'NoSuchBucket')
    return this.bucket.answer(kind, withFault(call, fault))
  }

  async #applyLater(
    kind: S3RequestKind,
    call: S3Call,
    how: { readonly response: ServerResponse; readonly ms: number },
  ): Promise<void> {
    cut(how.response)
    await delay(how.ms)
    this.#answer(kind, call)
  }
}

/** The call as a service sees it that does not understand a part of it. */
function withFault(call: S3Call, fault: S3Fault | undefined): S3Call {
  if (fault?.kind === 'ignore-range') return { ...call, headers: { ...call.headers, range: undefined } }
  if (fault?.kind !== 'ignore-token' && fault?.kind !== 'list-nothing') return call
  const query = new URLSearchParams(call.query)
  if (fault.kind === 'ignore-token') query.delete('continuation-token')
  else query.set('prefix', 'nothing/is/here')
  return { ...call, query }
}

function send(response: ServerResponse, call: S3Call, answer: S3Answer): void {
  const body = call.method === 'HEAD' ? undefined : answer.body
  const length = body || call.method !== 'HEAD' ? { 'content-length': String(body?.length ?? 0) } : {}
  response.writeHead(answer.status, { ...length, ...answer.headers })
  response.end(body)
}

function sendTruncated(response: ServerResponse, answer: S3Answer, bytes: number): void {
  const body = answer.body ?? Buffer.alloc(0)
  response.writeHead(answer.status, { ...answer.headers, 'content-length': String(body.length) })
  response.write(body.subarray(0, bytes), () => cut(response))
}

function cut(response: ServerResponse): void {
  response.destroy()
}

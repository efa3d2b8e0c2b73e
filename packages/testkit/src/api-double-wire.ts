import type { IncomingMessage, ServerResponse } from 'node:http'
import { ENDPOINTS, type Endpoint } from '@holdfast/protocol/endpoints'
import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import { z } from 'zod'

/** What the double answers in place of a document. */
export class Refusal extends Error {
  readonly code: FailureCode
  readonly details: Record<string, string | number>

  constructor(code: FailureCode, message: string, details: Record<string, string | number> = {}) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** One request, its address taken apart and its body read. */
export interface DoubleCall {
  readonly method: string
  readonly path: string
  readonly search: URLSearchParams
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly bytes: Buffer
}

export type Run<Query, Body> = (
  call: DoubleCall,
  asked: {
    readonly params: Readonly<Record<string, string>>
    readonly query: Query
    readonly body: Body
    readonly waitMs: number
  },
) => Promise<unknown>

export interface DoubleRoute {
  readonly endpoint: Endpoint
  readonly query: z.ZodType
  readonly body: z.ZodType | undefined
  /** Undefined: the route writes its answer itself. */
  readonly answer: z.ZodType | undefined
  readonly run: Run<never, never>
}

/** A route of the public API. Throws for one that the API does not have. */
export function route<Query extends z.ZodType, Body extends z.ZodType>(
  line: string,
  shapes: { readonly query?: Query; readonly body?: Body; readonly answer?: z.ZodType },
  run: Run<z.output<Query>, z.output<Body>>,
): DoubleRoute {
  const endpoint = ENDPOINTS.find(({ method, path }) => `${method} ${path}` === line)
  if (endpoint === undefined) throw new Error(`the API has no ${line}`)
  const { query = z.strictObject({}), body, answer } = shapes
  return { endpoint, query, body, answer, run }
}

/** The parameters in a path; undefined for another path. What a `{path}` holds may have slashes. */
export function paramsOf(endpoint: Endpoint, path: string): Record<string, string> | undefined {
  const pattern = endpoint.path.replace(/\{(\w+)\}/g, (_all, name: string) =>
    name === 'path' ? '(?<path>.+)' : `(?<${name}>[^/]+)`,
  )
  const match = new RegExp(`^${pattern}$`).exec(path)
  if (match === null) return undefined
  return Object.fromEntries(
    Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]),
  )
}

/** The query as an object: what was given several times as a list. */
export function queryOf(search: URLSearchParams): Record<string, string | string[]> {
  const names = [...new Set(search.keys())].filter((name) => name !== 'wait')
  return Object.fromEntries(
    names.map((name) => {
      const values = search.getAll(name)
      return [name, values.length === 1 ? (values[0] ?? '') : values]
    }),
  )
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 }

export function waitMsOf(search: URLSearchParams): number {
  const text = search.get('wait')
  if (text === null) return 0
  const match = /^(\d{1,6})(ms|s|m)$/.exec(text)
  if (match === null) throw new Refusal('invalid-argument', `wait is not ${text}`)
  return Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0)
}

export async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

export function sendDocument(response: ServerResponse, status: number, document: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req_double' })
  response.end(document === undefined ? '' : JSON.stringify(document))
}

export function sendRefusal(response: ServerResponse, refusal: Refusal, retryAfterSeconds?: number): void {
  const { kind, http, hint } = FAILURES[refusal.code]
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds))
  sendDocument(response, http, {
    error: {
      code: refusal.code.replaceAll('-', '_'),
      message: refusal.message,
      hint,
      details: refusal.details,
      request_id: 'req_double',
      retryable: kind === 'unavailable',
    },
  })
}

/** Begins an SSE stream, and gives what sends an event. */
export function beginEvents(
  response: ServerResponse,
): (event: { readonly name: string; readonly id?: number; readonly document: unknown }) => void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
  return ({ name, id, document }) => {
    response.write(
      `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(document)}\n\n`,
    )
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Endpoint, Scope } from '@holdfast/protocol/endpoints'
import { z } from 'zod'
import type { Caller, Deps } from '../operations/context.ts'

/** A request that was let in and whose parts have the shapes that its route wants. */
export interface Call<Query, Body> {
  readonly deps: Deps
  readonly caller: Caller
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
  /** Aborted once nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** Bytes that are no JSON document, either way. */
export interface Wire {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** Whether the caller may still be answered: asked again while a stream lasts. */
  readonly isStillAllowed: () => Promise<boolean>
}

export interface UpgradeWire {
  readonly incoming: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

interface RouteShape<Query extends z.ZodType, Body extends z.ZodType, Answer extends z.ZodType> {
  readonly endpoint: `${Endpoint['method']} /${string}`
  /** Null: needs no key. */
  readonly scope: Scope | null
  readonly summary: string
  readonly query?: Query
  readonly body?: Body
  readonly answer?: Answer
  /** Absent: 200, or 204 without an answer. */
  readonly status?: number
  /** The answer tells a secret, which is kept nowhere. */
  readonly isSecret?: boolean
}

/** A route as the app and the OpenAPI document need it; `handle` takes what its own shapes have parsed. */
export interface Route {
  readonly method: Endpoint['method']
  readonly path: string
  readonly scope: Scope | null
  readonly summary: string
  readonly query: z.ZodType
  readonly body: z.ZodType | undefined
  readonly answer: z.ZodType | undefined
  readonly status: number
  readonly isSecret: boolean
  readonly kind: 'document' | 'stream' | 'upgrade'
  readonly handle: (call: Call<unknown, unknown>, wire?: Wire | UpgradeWire) => Promise<unknown>
}

const NoQuery = z.strictObject({})

/** Answers a JSON document with another. */
export function route<
  Query extends z.ZodType = typeof NoQuery,
  Body extends z.ZodType = z.ZodUndefined,
  Answer extends z.ZodType = z.ZodVoid,
>(
  shape: RouteShape<Query, Body, Answer>,
  handle: (call: Call<z.output<Query>, z.output<Body>>) => Promise<z.input<Answer>>,
): Route {
  return { ...plain(shape), kind: 'document', handle: handle as Route['handle'] }
}

/** Takes or gives bytes, or events, as they come. */
export function streamRoute<Query extends z.ZodType = typeof NoQuery>(
  shape: Omit<RouteShape<Query, z.ZodUndefined, z.ZodType>, 'body'>,
  handle: (call: Call<z.output<Query>, undefined>, wire: Wire) => Promise<void>,
): Route {
  return { ...plain(shape), kind: 'stream', status: shape.status ?? 200, handle: handle as Route['handle'] }
}

/** Becomes another protocol. */
export function upgradeRoute<Query extends z.ZodType = typeof NoQuery>(
  shape: Omit<RouteShape<Query, z.ZodUndefined, z.ZodVoid>, 'body'>,
  handle: (call: Call<z.output<Query>, undefined>, wire: UpgradeWire) => Promise<void>,
): Route {
  return { ...plain(shape), kind: 'upgrade', status: 101, handle: handle as Route['handle'] }
}

function plain(shape: RouteShape<z.ZodType, z.ZodType, z.ZodType>): Omit<Route, 'kind' | 'handle'> {
  const { endpoint, scope, summary, query, body, answer, status } = shape
  const [method, path] = endpoint.split(' ') as [Endpoint['method'], string]
  return {
    ...{ method, path, scope, summary, body, answer },
    query: query ?? NoQuery,
    isSecret: shape.isSecret ?? false,
    status: status ?? (answer === undefined ? 204 : 200),
  }
}

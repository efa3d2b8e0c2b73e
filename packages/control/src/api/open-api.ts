import { ErrorBody } from '@holdfast/protocol/rest/ground'
import { z } from 'zod'
import type { Route } from './route.ts'

/** The OpenAPI document of the routes: made of the same shapes that parse what comes and what goes. */
export function openApiDocument(routes: readonly Route[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = paths[route.path] ?? {}
    paths[route.path] = path
    path[route.method.toLowerCase()] = operationOf(route)
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Holdfast', version: '1' },
    paths,
    components: {
      schemas: { Error: jsonSchema(ErrorBody, 'output') },
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'hf_<key id>_<secret>' } },
    },
  }
}

function operationOf(route: Route): Record<string, unknown> {
  const { method, path, scope, summary, body, answer, status } = route
  const idempotencyKey = {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    schema: { type: 'string' },
  }
  return {
    operationId: operationId(method, path),
    summary,
    ...(scope === null ? {} : { security: [{ key: [] }], 'x-scope': scope }),
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) =>
        parameter('path', name ?? '', { type: 'string' }),
      ),
      ...queryParameters(route),
      ...(method === 'POST' ? [idempotencyKey] : []),
    ],
    ...(body === undefined ? {} : { requestBody: { content: json(jsonSchema(body, 'input')) } }),
    responses: {
      [status]: {
        description: route.kind === 'document' ? 'Done.' : 'Bytes, or events.',
        ...(answer === undefined ? {} : { content: json(jsonSchema(answer, 'output')) }),
      },
      default: { description: 'A refusal.', content: json({ $ref: '#/components/schemas/Error' }) },
    },
  }
}

function operationId(method: string, path: string): string {
  const words = path.replace(/^\/v1/, '').match(/[a-z_]+/g) ?? []
  return [method.toLowerCase(), ...words].join('_')
}

function queryParameters({ query }: Route): Record<string, unknown>[] {
  const { properties = {}, required = [] } = jsonSchema(query, 'input') as {
    readonly properties?: Readonly<Record<string, unknown>>
    readonly required?: readonly string[]
  }
  return Object.entries(properties).map(([name, schema]) => ({
    ...parameter('query', name, schema),
    required: required.includes(name),
  }))
}

function parameter(place: 'path' | 'query', name: string, schema: unknown): Record<string, unknown> {
  return { name, in: place, required: true, schema }
}

function json(schema: unknown): Record<string, unknown> {
  return { 'application/json': { schema } }
}

function jsonSchema(shape: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(shape, { io, unrepresentable: 'any' })
  return schema
}

import { z } from 'zod'
import { openApiDocument } from '../open-api.ts'
import type { RequestCounters } from '../request-counters.ts'
import { type Call, type Route, route, streamRoute } from '../route.ts'

export interface Sources {
  readonly counters: RequestCounters
  readonly stepsTaken: () => number
}

const Health = z.strictObject({ status: z.literal('ok') })
const OK = { status: 'ok' } as const
const Document = z.record(z.string(), z.unknown())

async function metricLines(
  { deps }: Call<unknown, unknown>,
  { counters, stepsTaken }: Sources,
): Promise<string[]> {
  const [statuses, hosts] = [
    await deps.store.read.workspaces.countByStatus(),
    await deps.store.read.hosts.list(),
  ]
  const hostStatuses = Map.groupBy(hosts, ({ status }) => status)
  return [
    '# TYPE holdfast_workspaces gauge',
    ...[...statuses].map(([status, count]) => `holdfast_workspaces{status="${status}"} ${count}`),
    '# TYPE holdfast_hosts gauge',
    ...[...hostStatuses].map(([status, found]) => `holdfast_hosts{status="${status}"} ${found.length}`),
    '# TYPE holdfast_reconcile_steps_total counter',
    `holdfast_reconcile_steps_total ${stepsTaken()}`,
    '# TYPE holdfast_events_total counter',
    `holdfast_events_total ${await deps.store.read.events.lastId()}`,
    ...counters.lines(),
  ]
}

/** What watchers of the server itself ask. `others`: the routes that the OpenAPI document describes beside these. */
export function openRoutes(sources: Sources, others: readonly Route[]): readonly Route[] {
  const routes: readonly Route[] = [
    streamRoute(
      { endpoint: 'GET /metrics', scope: 'platform:read', summary: 'Metrics as Prometheus reads them.' },
      async (call, { outgoing }) => {
        const lines = await metricLines(call, sources)
        outgoing.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' })
        outgoing.end(`${lines.join('\n')}\n`)
      },
    ),
    route(
      { endpoint: 'GET /healthz', scope: null, summary: 'The process answers.', answer: Health },
      async () => OK,
    ),
    route(
      { endpoint: 'GET /readyz', scope: null, summary: 'The database answers too.', answer: Health },
      async ({ deps }) => {
        await deps.store.read.events.lastId()
        return OK
      },
    ),
    route(
      {
        endpoint: 'GET /v1/openapi.json',
        scope: null,
        summary: 'This API as OpenAPI 3.1.',
        answer: Document,
      },
      async () => openApiDocument([...others, ...routes]),
    ),
  ]
  return routes
}

import { systemClock } from '@holdfast/base/clock'
import { newIdentifier } from '@holdfast/base/identifier'
import { systemRandomness } from '@holdfast/base/randomness'
import { HostId, KeyId } from '@holdfast/protocol/identifiers'
import { CreateExec } from '@holdfast/protocol/rest/exec'
import {
  CreateExposure,
  CreateLink,
  CreateService,
  Deploy,
  Deployed,
  Exposure,
  Link,
  Service,
} from '@holdfast/protocol/rest/exposure'
import { PageQuery, pageOf } from '@holdfast/protocol/rest/ground'
import {
  AuditVerification,
  CreatedKey,
  CreateKey,
  Event,
  EventsQuery,
  Host,
  Key,
} from '@holdfast/protocol/rest/platform'
import { z } from 'zod'
import { beginEvents, type DoubleCall, type DoubleRoute, route } from './api-double-wire.ts'
import { startExec } from './double-exec-routes.ts'
import type { DoubleState } from './double-state.ts'
import type { DoubleWorkspace } from './double-workspace.ts'

const ONE = '/v1/workspaces/{id}'
const Nothing = z.strictObject({})
const POLL_MS = 20
const HOST: z.output<typeof Host> = {
  id: HostId.parse(newIdentifier('host', systemRandomness)),
  name: 'double',
  status: 'ready',
  version: '0.1.0',
  runtimes: [{ kind: 'none', isolation: 'none' }],
  volume: 'live',
  capacity: { cpus: 2, memory_bytes: 2 ** 33, disk_free_bytes: 2 ** 35, workspaces_max: 100 },
  workspaces: 0,
  last_seen_at: 0,
}

/** What is served, what happened, and what stands behind the workspaces. */
export function platformRoutes(double: DoubleState): readonly DoubleRoute[] {
  return [...servingRoutes(double), ...eventRoutes(double), ...keyRoutes(), ...hostRoutes()]
}

function servingRoutes(double: DoubleState): readonly DoubleRoute[] {
  const of = ({ id = '' }: Readonly<Record<string, string>>) => double.workspace(id)
  return [
    route(
      `POST ${ONE}/exposures`,
      { body: CreateExposure, answer: Exposure },
      async (_call, { params, body }) => expose(of(params), body),
    ),
    route(
      `GET ${ONE}/exposures`,
      { query: PageQuery, answer: pageOf(Exposure) },
      async (_call, { params }) => ({
        items: [...of(params).exposures.values()],
        next_cursor: null,
      }),
    ),
    route(`DELETE ${ONE}/exposures/{port}`, { answer: Nothing }, async (_call, { params }) => {
      of(params).exposures.delete(Number(params.port))
      return {}
    }),
    route(
      `POST ${ONE}/exposures/{port}/links`,
      { body: CreateLink, answer: Link },
      async (_call, { body }) => ({
        url: 'http://link.test/?token=x',
        expires_at: systemClock.wallMs() + body.expires_in_ms,
      }),
    ),
    route(`POST ${ONE}/services`, { body: CreateService, answer: Service }, async (_call, { params, body }) =>
      serve(of(params), body),
    ),
    route(
      `GET ${ONE}/services`,
      { query: PageQuery, answer: pageOf(Service) },
      async (_call, { params }) => ({
        items: [...of(params).services.values()],
        next_cursor: null,
      }),
    ),
    route(`DELETE ${ONE}/services/{name}`, { answer: Nothing }, async (_call, { params }) => {
      const service = of(params).services.get(params.name ?? '')
      of(params)
        .execs.get(service?.exec_id ?? '')
        ?.signal('SIGTERM')
      of(params).services.delete(params.name ?? '')
      return {}
    }),
    route(`POST ${ONE}/deploy`, { body: Deploy, answer: Deployed }, async (_call, { params, body }) => {
      const argv = typeof body.service === 'string' ? ['sh', '-c', body.service] : body.service
      const asked = CreateService.parse({ name: body.name, argv, port: body.port })
      return {
        service: serve(of(params), asked),
        exposure: expose(of(params), body),
        checkpoint: of(params).commit('checkpoint', 'deploy').id,
      }
    }),
  ]
}

function serve(workspace: DoubleWorkspace, asked: z.output<typeof CreateService>): z.output<typeof Service> {
  const exec = startExec(workspace, CreateExec.parse({ argv: asked.argv }))
  const service = { ...asked, status: 'healthy' as const, exec_id: exec.document.id, restarts: 0 }
  workspace.services.set(asked.name, service)
  return service
}

function expose(
  workspace: DoubleWorkspace,
  { port, access }: Pick<z.output<typeof CreateExposure>, 'port' | 'access'>,
): z.output<typeof Exposure> {
  const { id, name } = workspace.document
  const url = `http://${port}-${name ?? id}.apps.test/`
  const exposure = { workspace_id: id, port, access, url, created_at: systemClock.wallMs() }
  workspace.exposures.set(port, exposure)
  return exposure
}

function eventRoutes(double: DoubleState): readonly DoubleRoute[] {
  return [
    route('GET /v1/events', { query: EventsQuery }, async (call, { query }) =>
      streamEvents(double, call, {
        after: Math.max(
          query.after ?? double.events.length,
          Number(call.request.headers['last-event-id'] ?? 0),
        ),
        topics: [query.topic ?? []].flat(),
      }),
    ),
    route('GET /v1/audit', { query: PageQuery, answer: pageOf(Event) }, async () => ({
      items: double.events.map((event) => ({ ...event, category: 'audit' as const })),
      next_cursor: null,
    })),
    route(`GET ${ONE}/activity`, { query: PageQuery, answer: pageOf(Event) }, async (_call, { params }) => {
      const { id } = double.workspace(params.id ?? '').document
      return { items: double.events.filter((event) => event.workspace_id === id), next_cursor: null }
    }),
    route('GET /v1/audit/verify', { answer: AuditVerification }, async () => ({
      rows: double.events.length,
      outcome: 'whole',
      broken_at: null,
      detail: '',
      head_hash: 'f'.repeat(64),
    })),
  ]
}

async function streamEvents(
  double: DoubleState,
  { response }: DoubleCall,
  asked: { readonly after: number; readonly topics: readonly string[] },
): Promise<void> {
  const send = beginEvents(response)
  let { after } = asked
  while (!response.destroyed && response.socket?.writable) {
    const wanted = double.events.filter(
      ({ id, workspace_id, type }) =>
        id > after &&
        asked.topics.every((topic) => topic === `workspace:${workspace_id}` || topic === `type:${type}`),
    )
    for (const event of wanted) {
      send({ name: event.type, id: event.id, document: Event.parse(event) })
      after = event.id
    }
    await systemClock.sleep(POLL_MS)
  }
}

function keyRoutes(): readonly DoubleRoute[] {
  const keys = new Map<string, z.output<typeof Key>>()
  return [
    route('GET /v1/keys', { query: PageQuery, answer: pageOf(Key) }, async () => ({
      items: [...keys.values()],
      next_cursor: null,
    })),
    route('POST /v1/keys', { body: CreateKey, answer: CreatedKey }, async (_call, { body }) => {
      const id = KeyId.parse(newIdentifier('key', systemRandomness))
      const { name, scopes } = body
      const key = { id, name, scopes, created_at: systemClock.wallMs(), expires_at: null, last_used_at: null }
      keys.set(id, key)
      return { key, secret: 'hk_secret' }
    }),
    route('DELETE /v1/keys/{key}', { answer: Nothing }, async (_call, { params }) => {
      keys.delete(params.key ?? '')
      return {}
    }),
  ]
}

function hostRoutes(): readonly DoubleRoute[] {
  return [
    route('GET /v1/hosts', { query: PageQuery, answer: pageOf(Host) }, async () => ({
      items: [HOST],
      next_cursor: null,
    })),
    route('POST /v1/hosts/{host}/drain', { body: Nothing, answer: Host }, async () => ({
      ...HOST,
      status: 'draining' as const,
    })),
  ]
}

import { Port } from '@holdfast/protocol/identifiers'
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
import { pageOf } from '@holdfast/protocol/rest/ground'
import { ServiceSpec } from '@holdfast/protocol/service'
import { z } from 'zod'
import {
  listServices,
  putService,
  removeService,
  type ShownService,
} from '../../operations/change-services.ts'
import { connectPort } from '../../operations/connect-port.ts'
import { deployApp } from '../../operations/deploy-app.ts'
import {
  createLink,
  exposePort,
  listExposures,
  revokeExposure,
  type ServedPort,
} from '../../operations/expose-port.ts'
import { serveSocket } from '../port-socket.ts'
import { type Call, type Route, route, upgradeRoute } from '../route.ts'

function id({ params }: Call<unknown, unknown>): string {
  return params.id ?? ''
}

function port({ params }: Call<unknown, unknown>): number {
  return z.strictObject({ port: z.coerce.number().pipe(Port) }).parse({ port: params.port }).port
}

function shownExposure({
  workspace,
  port: at,
  access,
  url,
  createdAt,
}: ServedPort): z.input<typeof Exposure> {
  return { workspace_id: workspace, port: at, access, url, created_at: createdAt }
}

function shownService({ spec, state }: ShownService): z.input<typeof Service> {
  const { name, argv, cwd, environment, restart, port: listensAt, healthPath } = spec
  return {
    ...{ name, argv, cwd, environment, restart },
    ...(listensAt === undefined ? {} : { port: listensAt }),
    ...(healthPath === undefined ? {} : { health_path: healthPath }),
    status: state?.status ?? 'stopped',
    exec_id: state?.exec ?? null,
    restarts: state?.restarts ?? 0,
  }
}

function specOf({ health_path, ...same }: z.output<typeof CreateService>): ServiceSpec {
  return ServiceSpec.parse({ ...same, ...(health_path === undefined ? {} : { healthPath: health_path }) })
}

export const SERVING_ROUTES: readonly Route[] = [
  upgradeRoute(
    {
      endpoint: 'GET /v1/workspaces/{id}/ports/{port}',
      scope: 'exec:write',
      summary: 'A connection to a port inside, by WebSocket.',
    },
    async (call, wire) => {
      const wish = { workspace: id(call), port: port(call) }
      await serveSocket(wire, () => connectPort(call.deps, call.caller, wish))
    },
  ),
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/exposures',
      scope: 'workspace:read',
      summary: 'Lists served ports.',
      answer: pageOf(Exposure),
    },
    async (call) => {
      const exposures = await listExposures(call.deps, call.caller, id(call))
      return { items: exposures.map(shownExposure), next_cursor: null }
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/exposures',
      scope: 'exposures:write',
      summary: 'Serves a port under a URL.',
      body: CreateExposure,
      answer: Exposure,
      status: 201,
    },
    async (call) =>
      shownExposure(await exposePort(call.deps, call.caller, { workspace: id(call), ...call.body })),
  ),
  route(
    {
      endpoint: 'DELETE /v1/workspaces/{id}/exposures/{port}',
      scope: 'exposures:write',
      summary: 'Serves a port no longer.',
    },
    async (call) => await revokeExposure(call.deps, call.caller, { workspace: id(call), port: port(call) }),
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/exposures/{port}/links',
      scope: 'exposures:write',
      summary: 'Makes a URL that opens one port until it expires.',
      body: CreateLink,
      answer: Link,
      status: 201,
      isSecret: true,
    },
    async (call) => {
      const wish = { workspace: id(call), port: port(call), expiresInMs: call.body.expires_in_ms }
      const { url, expiresAt } = await createLink(call.deps, call.caller, wish)
      return { url, expires_at: expiresAt }
    },
  ),
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/services',
      scope: 'workspace:read',
      summary: 'Lists services.',
      answer: pageOf(Service),
    },
    async (call) => {
      const services = await listServices(call.deps, call.caller, id(call))
      return { items: services.map(shownService), next_cursor: null }
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/services',
      scope: 'workspace:write',
      summary: 'Keeps a command running, also after a resume.',
      body: CreateService,
      answer: Service,
      status: 201,
    },
    async (call) =>
      shownService(
        await putService(call.deps, call.caller, { workspace: id(call), spec: specOf(call.body) }),
      ),
  ),
  route(
    {
      endpoint: 'DELETE /v1/workspaces/{id}/services/{name}',
      scope: 'workspace:write',
      summary: 'Ends a service.',
    },
    async (call) =>
      await removeService(call.deps, call.caller, { workspace: id(call), name: call.params.name ?? '' }),
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/deploy',
      scope: 'workspace:write',
      summary: 'A service, its URL and a checkpoint in one call.',
      body: Deploy,
      answer: Deployed,
      status: 201,
    },
    async (call) => {
      const { service, exposure, checkpoint } = await deployApp(call.deps, call.caller, {
        workspace: id(call),
        ...call.body,
      })
      return { service: shownService(service), exposure: shownExposure(exposure), checkpoint }
    },
  ),
]

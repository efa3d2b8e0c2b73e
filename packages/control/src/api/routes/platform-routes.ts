import { Failure } from '@holdfast/base/failure'
import { OrgId } from '@holdfast/protocol/identifiers'
import { PageQuery, pageOf } from '@holdfast/protocol/rest/ground'
import { CreatedKey, CreateKey, Host, Key, Org } from '@holdfast/protocol/rest/platform'
import { Drill } from '@holdfast/protocol/rest/workspace'
import { z } from 'zod'
import { formatCursor, parseCursor } from '../../domain/cursor.ts'
import type { HostRecord } from '../../domain/host.ts'
import { createKey, listKeys, removeKey } from '../../operations/change-keys.ts'
import type { Deps } from '../../operations/context.ts'
import { drainHost } from '../../operations/drain-host.ts'
import type { KeyRecord } from '../../ports/entities.ts'
import { type Route, route } from '../route.ts'
import { shownDrill } from '../shapes/workspace-shape.ts'

const Nothing = z.strictObject({})

async function shownHosts(deps: Deps, hosts: readonly HostRecord[]): Promise<z.input<typeof Host>[]> {
  const load = await deps.store.read.workspaces.load()
  return hosts.map(({ id, name, status, version, runtimes, volume, capacity, lastSeenAt }) => ({
    ...{ id, name, status, version, volume, runtimes: [...runtimes] },
    capacity: {
      cpus: capacity.cpus,
      memory_bytes: capacity.memoryBytes,
      disk_free_bytes: capacity.diskFreeBytes,
      workspaces_max: capacity.workspacesMax,
    },
    workspaces: load.get(id) ?? 0,
    last_seen_at: lastSeenAt,
  }))
}

function shownKey({ id, name, scopes, createdAt, expiresAt, lastUsedAt }: KeyRecord): z.input<typeof Key> {
  return {
    id,
    name,
    scopes: [...scopes],
    created_at: createdAt,
    expires_at: expiresAt,
    last_used_at: lastUsedAt,
  }
}

export const PLATFORM_ROUTES: readonly Route[] = [
  route(
    { endpoint: 'GET /v1/hosts', scope: 'platform:read', summary: 'Lists hosts.', answer: pageOf(Host) },
    async ({ deps }) => ({
      items: await shownHosts(deps, await deps.store.read.hosts.list()),
      next_cursor: null,
    }),
  ),
  route(
    {
      endpoint: 'POST /v1/hosts/{host}/drain',
      scope: 'platform:write',
      summary: 'Hands everything that a host runs to others.',
      body: Nothing,
      answer: Host,
    },
    async ({ deps, caller, params }) => {
      const [shown] = await shownHosts(deps, [await drainHost(deps, caller, params.host ?? '')])
      if (shown === undefined) throw new Failure('internal', 'one host has one shape')
      return shown
    },
  ),
  route(
    {
      endpoint: 'GET /v1/drills',
      scope: 'platform:read',
      summary: 'Lists restore drills, newest first.',
      query: PageQuery,
      answer: pageOf(Drill),
    },
    async ({ deps, caller, query: { cursor, limit } }) => {
      const before = cursor === undefined ? {} : { beforeId: parseCursor(cursor).at }
      const found = await deps.store.read.drills.list({ org: caller.org, ...before, limit: limit + 1 })
      const items = found.slice(0, limit)
      const last = items.at(-1)
      const next = found.length > limit && last ? formatCursor({ at: last.id, id: String(last.id) }) : null
      return { items: items.map(shownDrill), next_cursor: next }
    },
  ),
  route(
    {
      endpoint: 'GET /v1/orgs',
      scope: 'platform:read',
      summary: 'Shows the org of the key.',
      answer: pageOf(Org),
    },
    async ({ deps, caller }) => {
      const org = await deps.store.read.orgs.byId(OrgId.parse(caller.org))
      const items = org ? [{ id: org.id, name: org.name, created_at: org.createdAt }] : []
      return { items, next_cursor: null }
    },
  ),
  route(
    {
      endpoint: 'GET /v1/keys',
      scope: 'keys:write',
      summary: 'Lists keys, without their secrets.',
      query: PageQuery,
      answer: pageOf(Key),
    },
    async ({ deps, caller, query: { cursor, limit } }) => {
      const { items, next } = await listKeys(deps, caller, { cursor, limit })
      return { items: items.map(shownKey), next_cursor: next }
    },
  ),
  route(
    {
      endpoint: 'POST /v1/keys',
      scope: 'keys:write',
      summary: 'Makes a key; its secret is told this once.',
      body: CreateKey,
      answer: CreatedKey,
      status: 201,
      isSecret: true,
    },
    async ({ deps, caller, body: { name, scopes, expires_in_ms } }) => {
      const { record, token } = await createKey(deps, caller, { name, scopes, expiresInMs: expires_in_ms })
      return { key: shownKey(record), secret: token }
    },
  ),
  route(
    { endpoint: 'DELETE /v1/keys/{key}', scope: 'keys:write', summary: 'Makes a key worthless at once.' },
    async ({ deps, caller, params }) => await removeKey(deps, caller, params.key ?? ''),
  ),
]

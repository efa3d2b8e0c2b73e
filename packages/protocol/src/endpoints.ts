/** What a key must be allowed to do. `own` scopes reach only what the key's user created. */
export type Scope =
  | 'workspace:read'
  | 'workspace:write'
  | 'exec:write'
  | 'files:read'
  | 'files:write'
  | 'exposures:write'
  | 'audit:read'
  | 'platform:read'
  | 'platform:write'
  | 'keys:write'

export const SCOPES = [
  'workspace:read',
  'workspace:write',
  'exec:write',
  'files:read',
  'files:write',
  'exposures:write',
  'audit:read',
  'platform:read',
  'platform:write',
  'keys:write',
] as const satisfies readonly Scope[]

export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below `/v1`, but for those that begin with a dot path of their own. */
  readonly path: string
  /** Null: needs no key. */
  readonly scope: Scope | null
}

function on(scope: Scope | null, ...lines: readonly string[]): readonly Endpoint[] {
  return lines.map((line) => {
    const [method, path = ''] = line.split(' ')
    return { method: method as Endpoint['method'], path, scope }
  })
}

/** Every endpoint of the public API. The router, the OpenAPI document and the specification's table equal this. */
export const ENDPOINTS: readonly Endpoint[] = [
  ...on(
    'workspace:read',
    'GET /v1/workspaces',
    'GET /v1/workspaces/{id}',
    'GET /v1/workspaces/{id}/lineage',
    'GET /v1/workspaces/{id}/generations',
    'GET /v1/workspaces/{id}/generations/{generation}',
    'GET /v1/workspaces/{id}/generations/{generation}/files',
    'GET /v1/workspaces/{id}/generations/{generation}/diff',
    'GET /v1/workspaces/{id}/generations/{generation}/sqlite',
    'GET /v1/workspaces/{id}/checkpoints',
    'GET /v1/workspaces/{id}/execs',
    'GET /v1/workspaces/{id}/execs/{exec}',
    'GET /v1/workspaces/{id}/execs/{exec}/output',
    'GET /v1/workspaces/{id}/exposures',
    'GET /v1/workspaces/{id}/services',
    'GET /v1/workspaces/{id}/activity',
    'GET /v1/events',
  ),
  ...on(
    'workspace:write',
    'POST /v1/workspaces',
    'PATCH /v1/workspaces/{id}',
    'DELETE /v1/workspaces/{id}',
    'POST /v1/workspaces/{id}/resume',
    'POST /v1/workspaces/{id}/stop',
    'POST /v1/workspaces/{id}/restart',
    'POST /v1/workspaces/{id}/archive',
    'POST /v1/workspaces/{id}/unarchive',
    'POST /v1/workspaces/{id}/sync',
    'POST /v1/workspaces/{id}/rollback',
    'POST /v1/workspaces/{id}/fork',
    'POST /v1/workspaces/{id}/handoff',
    'POST /v1/workspaces/{id}/drill',
    'POST /v1/workspaces/{id}/checkpoints',
    'POST /v1/workspaces/{id}/export',
    'POST /v1/workspaces/import',
    'POST /v1/workspaces/{id}/services',
    'DELETE /v1/workspaces/{id}/services/{name}',
    'POST /v1/workspaces/{id}/deploy',
  ),
  ...on(
    'exec:write',
    'POST /v1/workspaces/{id}/execs',
    'DELETE /v1/workspaces/{id}/execs/{exec}',
    'GET /v1/workspaces/{id}/execs/{exec}/attach',
    'POST /v1/workspaces/{id}/execs/{exec}/stdin',
    'POST /v1/workspaces/{id}/execs/{exec}/signal',
    'POST /v1/workspaces/{id}/execs/{exec}/resize',
    'GET /v1/workspaces/{id}/ports/{port}',
  ),
  ...on(
    'files:read',
    'GET /v1/workspaces/{id}/files',
    'GET /v1/workspaces/{id}/files/watch',
    'GET /v1/workspaces/{id}/files/{path}',
  ),
  ...on(
    'files:write',
    'PUT /v1/workspaces/{id}/files/{path}',
    'DELETE /v1/workspaces/{id}/files/{path}',
    'POST /v1/workspaces/{id}/files/move',
    'POST /v1/workspaces/{id}/files/mkdir',
    'POST /v1/workspaces/{id}/files/archive',
  ),
  ...on(
    'exposures:write',
    'POST /v1/workspaces/{id}/exposures',
    'DELETE /v1/workspaces/{id}/exposures/{port}',
    'POST /v1/workspaces/{id}/exposures/{port}/links',
  ),
  ...on('audit:read', 'GET /v1/audit', 'GET /v1/audit/verify'),
  ...on('platform:read', 'GET /v1/hosts', 'GET /v1/drills', 'GET /v1/orgs', 'GET /metrics'),
  ...on('platform:write', 'POST /v1/hosts/{host}/drain'),
  ...on('keys:write', 'GET /v1/keys', 'POST /v1/keys', 'DELETE /v1/keys/{key}'),
  ...on(null, 'GET /v1/openapi.json', 'GET /healthz', 'GET /readyz'),
]

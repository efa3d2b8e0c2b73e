import { z } from 'zod'
import { HostCapacity } from '../control-calls.ts'
import { HostId, KeyId, OrgId, WorkspaceId } from '../identifiers.ts'
import { Isolation, RuntimeKind } from '../sandbox-spec.ts'
import { Instant } from './ground.ts'

/** A row of the activity or audit stream. `id` grows; it is the SSE id too. */
export const Event = z.strictObject({
  id: z.int(),
  category: z.enum(['activity', 'audit']),
  type: z.string(),
  org_id: OrgId,
  workspace_id: WorkspaceId.nullable(),
  actor: z.string(),
  source: z.enum(['control', 'host', 'egress', 'guest']),
  at: Instant,
  payload: z.record(z.string(), z.unknown()),
})
export type Event = z.infer<typeof Event>

export const EventsQuery = z.strictObject({
  /** `workspace:<id>`, `type:<event type>`; absent: all that the key may see. */
  topic: z.union([z.string(), z.array(z.string())]).optional(),
  /** Begins after this event; `Last-Event-ID` does too. */
  after: z.coerce.number().int().min(0).optional(),
})

export const AuditVerification = z.strictObject({
  rows: z.int(),
  outcome: z.enum(['whole', 'broken']),
  /** The first row that does not fit. */
  broken_at: z.int().nullable(),
  detail: z.string(),
  head_hash: z.string(),
})

export const Host = z.strictObject({
  id: HostId,
  name: z.string(),
  status: z.enum(['ready', 'draining', 'lost']),
  version: z.string(),
  runtimes: z.array(z.strictObject({ kind: RuntimeKind, isolation: Isolation })),
  volume: z.enum(['btrfs', 'live']),
  capacity: z.strictObject({
    cpus: HostCapacity.shape.cpus,
    memory_bytes: HostCapacity.shape.memoryBytes,
    disk_free_bytes: HostCapacity.shape.diskFreeBytes,
    workspaces_max: HostCapacity.shape.workspacesMax,
  }),
  workspaces: z.int(),
  last_seen_at: Instant,
})

export const Key = z.strictObject({
  id: KeyId,
  name: z.string(),
  scopes: z.array(z.string()),
  created_at: Instant,
  expires_at: Instant.nullable(),
  last_used_at: Instant.nullable(),
})
export const CreateKey = z.strictObject({
  name: z.string().min(1).max(128),
  scopes: z.array(z.string()).min(1).max(32),
  expires_in_ms: z.int().min(1000).optional(),
})
/** The only time that the secret is told. */
export const CreatedKey = z.strictObject({ key: Key, secret: z.string() })

export const Org = z.strictObject({ id: OrgId, name: z.string(), created_at: Instant })

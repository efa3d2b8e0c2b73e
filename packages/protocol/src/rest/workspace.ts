import { z } from 'zod'
import { CONSISTENCIES } from '../generation.ts'
import { GenerationId, HostId, OrgId, TaskId, WorkspaceId, WorkspaceName } from '../identifiers.ts'
import { FsyncPolicy, Isolation, PackList, RuntimeKind, SystemSpec, SystemWrites } from '../sandbox-spec.ts'
import { WorkspaceStatus } from '../workspace-status.ts'
import { DURATION_MS_MAX, Instant, Labels } from './ground.ts'

export const WorkspaceAction = z.enum([
  'resume',
  'stop',
  'restart',
  'exec',
  'sync',
  'checkpoint',
  'rollback',
  'fork',
  'handoff',
  'archive',
  'unarchive',
  'remove',
])
export type WorkspaceAction = z.infer<typeof WorkspaceAction>

const Limits = z.strictObject({
  memory_bytes: z.int(),
  cpus: z.number(),
  pids: z.int(),
  disk_bytes: z.int(),
  tmp_bytes: z.int(),
  open_files: z.int(),
})

export const Drill = z.strictObject({
  workspace_id: WorkspaceId,
  generation: GenerationId,
  outcome: z.enum(['verified', 'damaged']),
  detail: z.string(),
  took_ms: z.number(),
  at: Instant,
})

/** What `GET /v1/workspaces/{id}` answers. */
export const Workspace = z.strictObject({
  id: WorkspaceId,
  name: z.string().nullable(),
  org_id: OrgId,
  role_id: z.string(),
  environment_label: z.string(),
  created_by_user_id: z.string(),
  status: WorkspaceStatus,
  status_reason: z.string().nullable(),
  status_message: z.string().nullable(),
  last_transition_at: Instant,
  created_at: Instant,
  updated_at: Instant,
  archived_at: Instant.nullable(),
  head_generation: GenerationId.nullable(),
  sequence: z.int(),
  last_durable_at: Instant.nullable(),
  sync_lag_ms: z.number().nullable(),
  rpo_ms: z.number().nullable(),
  last_drill: Drill.nullable(),
  snapshot_ref: GenerationId.nullable(),
  last_snapshot_error: z.string().nullable(),
  budget_snapshot: z.record(z.string(), z.number()).nullable(),
  parent_workspace_id: WorkspaceId.nullable(),
  fork_source_snapshot_ref: GenerationId.nullable(),
  fork_point_task_count: z.int().nullable(),
  pack_status: z.enum(['current', 'stale', 'unknown']),
  epoch: z.int(),
  host_id: HostId.nullable(),
  /** Of the running sandbox, as probed; null while there is none. */
  runtime: RuntimeKind.nullable(),
  isolation: Isolation.nullable(),
  consistency: z.enum(CONSISTENCIES).nullable(),
  fsync: FsyncPolicy,
  /** `none`: where it runs, nothing enforces `limits.disk_bytes`. */
  disk_limit: z.enum(['enforced', 'none']).nullable(),
  start: z.enum(['warm', 'cold']).nullable(),
  /** Why its writers are slowed down. */
  pressure: z.enum(['none', 'unsynced', 'disk']).nullable(),
  /** With the digest of an image, once a registry was asked what its name means. */
  system: SystemSpec,
  /** Whether commands can change the system, and whether that is kept. */
  system_writes: SystemWrites,
  /** As `system`: what it is to have from its next start on; `pack_status` says whether it has. */
  packs: PackList,
  limits: Limits,
  idle_timeout_ms: z.int().nullable(),
  task_timeout_ms: z.int().nullable(),
  current_task_id: TaskId.nullable(),
  labels: Labels,
  allowed_actions: z.array(WorkspaceAction),
})
export type Workspace = z.infer<typeof Workspace>

/** What `POST /v1/workspaces` takes. All of it may be left out. */
export const CreateWorkspace = z.strictObject({
  name: WorkspaceName.optional(),
  /** `connect`: an existing workspace of that name is the answer, resumed if it is stopped. */
  if_exists: z.enum(['fail', 'connect']).default('fail'),
  labels: Labels.default({}),
  system: SystemSpec.optional(),
  system_writes: SystemWrites.optional(),
  packs: PackList.default([]),
  runtime: RuntimeKind.optional(),
  isolation_min: Isolation.optional(),
  limits: Limits.partial().optional(),
  fsync: FsyncPolicy.optional(),
  allow_root: z.boolean().default(false),
  allow_debug: z.boolean().default(false),
  environment: z.record(z.string().max(256), z.string().max(32_768)).default({}),
  idle_timeout_ms: z.int().min(1000).max(DURATION_MS_MAX).nullable().optional(),
})

export const UpdateWorkspace = z.strictObject({
  /** All of them, in place of those it had; applied by a restart. A tag is asked for anew. */
  packs: PackList.optional(),
  name: WorkspaceName.nullable().optional(),
  labels: Labels.optional(),
  idle_timeout_ms: z.int().min(1000).max(DURATION_MS_MAX).nullable().optional(),
})

export const ListWorkspaces = z.strictObject({
  status: WorkspaceStatus.optional(),
  /** `key=value`, as often as wanted. */
  label: z.union([z.string(), z.array(z.string())]).optional(),
  name: z.string().max(63).optional(),
  include_archived: z.enum(['true', 'false']).default('false'),
})

export const StopWorkspace = z.strictObject({
  drain_ms: z.int().min(0).max(3_600_000).default(0),
  /** Ends the sandbox even if the last commit fails: what was not committed is lost. */
  force: z.boolean().default(false),
})

/** Of `DELETE /v1/workspaces/{id}`: `force` does so with one that runs, too. */
export const RemoveWorkspaceQuery = z.strictObject({ force: z.enum(['true', 'false']).default('false') })

export const RollBackWorkspace = z.strictObject({
  /** A generation's id, the beginning of one, or its number. */
  generation: z.string().min(1).max(64),
})

export const ForkWorkspace = z.strictObject({
  name: WorkspaceName.optional(),
  /** As in a rollback; absent: the present state. */
  at: z.string().min(1).max(64).optional(),
  count: z.int().min(1).max(100).default(1),
  labels: Labels.optional(),
})

/** One result a fork asked for, in order. */
export const ForkResults = z.strictObject({
  items: z.array(
    z.union([
      z.strictObject({ workspace: Workspace, took_ms: z.number() }),
      z.strictObject({ failure: z.strictObject({ code: z.string(), message: z.string() }) }),
    ]),
  ),
})

export const HandOffWorkspace = z.strictObject({
  /** Absent: control chooses. */
  host_id: HostId.optional(),
  drain_ms: z.int().min(0).max(3_600_000).default(0),
})

export const HandoffResult = z.strictObject({
  workspace: Workspace,
  pause_ms: z.number(),
  pre_copy_ms: z.number(),
})

export const Lineage = z.strictObject({
  items: z.array(
    z.strictObject({
      id: WorkspaceId,
      name: z.string().nullable(),
      status: WorkspaceStatus,
      parent_workspace_id: WorkspaceId.nullable(),
      fork_source_snapshot_ref: GenerationId.nullable(),
      created_at: Instant,
    }),
  ),
})

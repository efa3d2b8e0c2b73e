import type { Workspace } from '@holdfast/protocol/rest/workspace'
import type { z } from 'zod'
import { allowedActions } from '../../domain/allowed-actions.ts'
import { packStatus } from '../../domain/content.ts'
import type { DrillRecord, WorkspaceRecord } from '../../domain/workspace.ts'
import type { Deps } from '../../operations/context.ts'
import type { KnownFacts } from '../../ports/entities.ts'

type WorkspaceShape = z.input<typeof Workspace>

export async function shownWorkspace(deps: Deps, record: WorkspaceRecord): Promise<WorkspaceShape> {
  const [shown] = await shownWorkspaces(deps, [record])
  if (shown === undefined) throw new Error('one record has one shape')
  return shown
}

export async function shownWorkspaces(
  deps: Deps,
  records: readonly WorkspaceRecord[],
): Promise<WorkspaceShape[]> {
  const facts = await deps.store.read.facts.of(
    records.filter(({ host }) => host !== null).map(({ id }) => id),
  )
  return records.map((record) => shape(record, facts.get(record.id)))
}

function shape(record: WorkspaceRecord, known: KnownFacts | undefined): WorkspaceShape {
  const isCurrent = known !== undefined && known.host === record.host && known.facts.epoch >= record.epoch
  const { sandbox, spec } = record
  return {
    ...identity(record),
    status: record.status,
    status_reason: record.reason,
    status_message: record.message,
    last_transition_at: record.movedAt,
    head_generation: record.head,
    sequence: record.sequence,
    last_durable_at: record.lastDurableAt === null ? null : Math.floor(record.lastDurableAt),
    sync_lag_ms: isCurrent ? known.facts.syncLagMs : null,
    rpo_ms: isCurrent ? known.facts.rpoMs : null,
    last_drill: record.lastDrill === null ? null : shownDrill(record.lastDrill),
    snapshot_ref: record.snapshot,
    last_snapshot_error: record.snapshotError,
    budget_snapshot: null,
    pack_status: packStatus(spec, sandbox),
    epoch: record.epoch,
    host_id: record.host,
    runtime: sandbox?.runtime ?? null,
    isolation: sandbox?.isolation ?? null,
    consistency: sandbox?.consistency ?? null,
    fsync: sandbox?.fsync ?? spec.fsync,
    disk_limit: sandbox?.diskLimit ?? null,
    start: sandbox?.start ?? null,
    pressure: isCurrent ? known.facts.pressure : null,
    system: spec.system,
    system_writes: spec.systemWrites,
    packs: [...spec.packs],
    limits: {
      memory_bytes: spec.limits.memoryBytes,
      cpus: spec.limits.cpus,
      pids: spec.limits.pids,
      disk_bytes: spec.limits.diskBytes,
      tmp_bytes: spec.limits.tmpBytes,
      open_files: spec.limits.openFiles,
    },
    idle_timeout_ms: record.idleTimeoutMs,
    task_timeout_ms: null,
    current_task_id: null,
    allowed_actions: [...allowedActions(record)],
  }
}

function identity(record: WorkspaceRecord) {
  return {
    id: record.id,
    name: record.name,
    org_id: record.org,
    role_id: 'plain',
    environment_label: '',
    created_by_user_id: record.createdBy,
    created_at: record.createdAt,
    updated_at: record.updatedAt,
    archived_at: record.archivedAt,
    parent_workspace_id: record.parent,
    fork_source_snapshot_ref: record.forkedFrom,
    fork_point_task_count: record.parent === null ? null : 0,
    labels: { ...record.labels },
  }
}

export function shownDrill(drill: DrillRecord) {
  const { workspace, generation, outcome, detail, tookMs, at } = drill
  return { workspace_id: workspace, generation, outcome, detail, took_ms: tookMs, at }
}

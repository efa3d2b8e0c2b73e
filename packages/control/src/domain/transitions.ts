import { Failure } from '@holdfast/base/failure'
import type { WorkspaceAction } from '@holdfast/protocol/rest/workspace'
import { NEXT_STATUSES, type WorkspaceStatus } from '@holdfast/protocol/workspace-status'
import { allowedActions } from './allowed-actions.ts'
import type { Pending, WorkspaceRecord } from './workspace.ts'

export interface Move {
  readonly to: WorkspaceStatus
  readonly at: number
  readonly reason?: string | null
  readonly message?: string | null
  readonly pending?: Pending | null
}

/** The record in another status. Rejects with `invalid-state` what the table does not allow. */
export function moved(record: WorkspaceRecord, move: Move): WorkspaceRecord {
  if (!NEXT_STATUSES[record.status].includes(move.to)) throw refusal(record, `become ${move.to}`)
  const isTransitional = move.to === 'provisioning' || move.to === 'stopping'
  return {
    ...record,
    status: move.to,
    reason: move.reason ?? null,
    message: move.message ?? null,
    pending: move.pending ?? null,
    movedAt: move.at,
    updatedAt: move.at,
    moves: record.moves + 1,
    avoid: [],
    attempts: 0,
    dueAt: isTransitional ? move.at : null,
  }
}

/** Rejects with `invalid-state`, naming what is allowed, unless `action` is. */
export function requireAction(record: WorkspaceRecord, action: WorkspaceAction): void {
  if (!allowedActions(record).includes(action)) throw refusal(record, action)
}

function refusal(record: WorkspaceRecord, wanted: string): Failure {
  const allowed = allowedActions(record).join(', ') || 'none'
  const state = record.archivedAt === null ? record.status : `${record.status} and archived`
  return new Failure('invalid-state', `the workspace is ${state}: it cannot ${wanted}`, {
    status: record.status,
    allowed_actions: allowed,
  })
}

/** A status that somebody has to bring to an end. */
export function isTransitional(status: WorkspaceStatus): boolean {
  return status === 'provisioning' || status === 'stopping'
}

/** A sandbox exists, and commands can run. */
export function isLive(status: WorkspaceStatus): boolean {
  return status === 'idle' || status === 'busy'
}

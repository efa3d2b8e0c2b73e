import type { ExecRequest, ExecState } from '@holdfast/protocol/exec'
import type { HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'

/** A command: what was asked, and how far it is. Never run a second time, whoever died. */
export interface ExecRecord {
  readonly workspace: WorkspaceId
  readonly org: OrgId
  readonly host: HostId
  /** The incarnation of the workspace that runs it. */
  readonly epoch: number
  readonly createdBy: string
  readonly request: ExecRequest
  readonly state: ExecState
}

/** A state that nothing changes any more, but for the truth of a host against `lost`. */
export function hasEnded(state: ExecState): boolean {
  return state.status !== 'running'
}

/** What a command's end is told as. */
export function lostState(
  state: ExecState,
  reason: 'stop' | 'rollback' | 'restart' | 'handoff' | 'node_lost',
  at: number,
): ExecState {
  return { ...state, status: 'lost', reason, endedAt: at }
}

/** Whether two requests ask for the same, so that an id may be used again. */
export function isSameRequest(a: ExecRequest, b: ExecRequest): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

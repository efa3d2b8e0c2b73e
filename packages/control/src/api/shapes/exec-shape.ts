import type { OutputChunk } from '@holdfast/protocol/exec'
import type { Exec } from '@holdfast/protocol/rest/exec'
import type { ExecRecord } from '../../domain/exec.ts'

export function shownExec(record: ExecRecord): Exec {
  const { workspace, createdBy, request, state } = record
  return {
    id: state.id,
    workspace_id: workspace,
    argv: [...request.argv],
    cwd: request.cwd,
    user: request.user,
    status: state.status,
    reason: state.reason,
    exit_code: state.exitCode,
    signal: state.signal,
    terminal: request.terminal !== undefined,
    created_by_user_id: createdBy,
    started_at: Math.floor(state.startedAt),
    ended_at: state.endedAt === null ? null : Math.floor(state.endedAt),
    last_sequence: state.lastSequence,
  }
}

export function shownChunk({ sequence, stream, at, bytes }: OutputChunk) {
  return { sequence, stream, at: Math.floor(at), bytes }
}

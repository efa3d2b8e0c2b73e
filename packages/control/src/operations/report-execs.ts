import type { ExecState } from '@holdfast/protocol/exec'
import { type ExecRecord, hasEnded, lostState } from '../domain/exec.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Changes } from '../ports/store.ts'
import type { Deps } from './context.ts'
import { happened } from './tell-event.ts'

/** Keeps what a host says of a command, and tells its end once. */
export function saveExecState(deps: Deps, exec: ExecRecord, state: ExecState): Promise<ExecRecord> {
  return deps.store.write((changes) => putExecState(changes, exec, { state, at: deps.clock.wallMs() }))
}

/** Whether a state is another than the one that is known, and may follow it. */
export function isNews(known: ExecRecord, state: ExecState): boolean {
  const isOpen = !hasEnded(known.state) || (known.state.status === 'lost' && hasEnded(state))
  return isOpen && JSON.stringify(known.state) !== JSON.stringify(state)
}

/** What ended stays ended, but that a host which comes back may still tell how a lost one did. */
export async function putExecState(
  changes: Changes,
  { workspace, state: { id } }: Pick<ExecRecord, 'workspace' | 'state'>,
  { state, at }: { readonly state: ExecState; readonly at: number },
): Promise<ExecRecord> {
  const known = await changes.execs.find(workspace, id)
  if (known === undefined) throw new Error(`exec ${id} of ${workspace} is not known`)
  if (!isNews(known, state)) return known
  const next = { ...known, state: { ...state, startedAt: known.state.startedAt } }
  await changes.execs.save(next)
  if (hasEnded(state)) changes.emit(endEvent(next, at))
  return next
}

/** What ran in an incarnation of a workspace that has ended, and of which no end was told, is lost. */
export async function loseExecs(
  changes: Changes,
  record: Pick<WorkspaceRecord, 'id'>,
  end: {
    readonly reason: Parameters<typeof lostState>[1]
    readonly at: number
    readonly belowEpoch?: number
  },
): Promise<void> {
  for (const exec of await changes.execs.running(record.id)) {
    if (end.belowEpoch !== undefined && exec.epoch >= end.belowEpoch) continue
    const next = { ...exec, state: lostState(exec.state, end.reason, end.at) }
    await changes.execs.save(next)
    changes.emit(endEvent(next, end.at))
  }
}

function endEvent(exec: ExecRecord, at: number) {
  const { id, status, reason, exitCode, signal } = exec.state
  return happened(
    { id: exec.workspace, org: exec.org },
    { type: 'exec_end', at, payload: { exec: id, status, reason, exit_code: exitCode, signal } },
  )
}

import { isIdleTimeOver } from '../domain/idle-timer.ts'
import { moved } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Deps } from '../operations/context.ts'
import { recovered } from '../operations/recover-workspace.ts'
import type { KnownFacts } from '../ports/entities.ts'
import { advance } from './advance.ts'
import { hasLostItsHost } from './lost-host.ts'

/** Looks at a workspace that runs: whether its host is lost, its sandbox gone, or its time of rest over. */
export async function watchLive(deps: Deps, record: WorkspaceRecord): Promise<void> {
  if (await hasLostItsHost(deps, record)) {
    await advance(deps, record, (current, changes) =>
      recovered(changes, current, { at: deps.clock.wallMs(), isHostLost: true }),
    )
    return
  }
  const known = (await deps.store.read.facts.of([record.id])).get(record.id)
  if (known === undefined || known.host !== record.host || known.facts.epoch < record.epoch) return
  if (known.facts.state === 'sandbox-gone' || known.facts.state === 'failed')
    await stop(deps, record, 'sandbox-gone')
  else if (await isRestOver(deps, record, known)) await stop(deps, record, 'idle-timeout')
}

async function isRestOver(deps: Deps, record: WorkspaceRecord, known: KnownFacts): Promise<boolean> {
  const { idleTimeoutMs, movedAt } = record
  if (record.status !== 'idle' || idleTimeoutMs === null) return false
  const { at, isRunning } = await deps.store.read.execs.lastActivity(record.id)
  const { quietSinceAt } = known.facts
  const nowMs = deps.clock.wallMs()
  return isIdleTimeOver({
    idleTimeoutMs,
    quietSinceAt,
    movedAt,
    lastExecAt: at,
    isExecRunning: isRunning,
    nowMs,
  })
}

async function stop(
  deps: Deps,
  record: WorkspaceRecord,
  reason: 'sandbox-gone' | 'idle-timeout',
): Promise<void> {
  await advance(deps, record, (current) =>
    moved(current, {
      to: 'stopping',
      at: deps.clock.wallMs(),
      reason,
      pending: { kind: 'close', drainMs: 0, force: reason === 'sandbox-gone', from: current.status },
    }),
  )
}

import { isFailure } from '@holdfast/base/failure'
import { FAILURES } from '@holdfast/protocol/failures'
import type { WireFailure } from '@holdfast/protocol/wire-failure'
import { isIdleTimeOver } from '../domain/idle-timer.ts'
import { moved } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Deps } from '../operations/context.ts'
import { handOffWorkspace } from '../operations/hand-off-workspace.ts'
import { recovered } from '../operations/recover-workspace.ts'
import type { KnownFacts } from '../ports/entities.ts'
import { advance } from './advance.ts'
import { hasLostItsHost } from './lost-host.ts'

/** Commands of a workspace that leaves a drained host have so long to end by themselves. */
const DRAIN_MS = 30_000

/** Looks at a workspace that runs: whether its host is lost, its sandbox gone, or its time of rest over. */
export async function watchLive(deps: Deps, record: WorkspaceRecord): Promise<void> {
  if (await hasLostItsHost(deps, record)) return await recover(deps, record, { isHostLost: true })
  if (await handedOff(deps, record)) return
  const known = (await deps.store.read.facts.of([record.id])).get(record.id)
  if (known === undefined || known.host !== record.host || known.facts.epoch < record.epoch) return
  if (known.facts.state === 'failed' && isFenced(known.facts.failure))
    await recover(deps, record, { isHostLost: false })
  else if (known.facts.state === 'sandbox-gone' || known.facts.state === 'failed')
    await stop(deps, record, 'sandbox-gone')
  else if (await isRestOver(deps, record, known)) await stop(deps, record, 'idle-timeout')
}

/** Whoever is fenced has lost no disk: the next run begins from the head. */
function isFenced(failure: WireFailure | null): boolean {
  return failure !== null && FAILURES[failure.code].kind === 'fenced'
}

async function recover(
  deps: Deps,
  record: WorkspaceRecord,
  { isHostLost }: { readonly isHostLost: boolean },
): Promise<void> {
  await advance(deps, record, (current, changes) =>
    recovered(changes, current, { at: deps.clock.wallMs(), isHostLost }),
  )
}

/** From a host that is drained to another; while there is no other with room, it stays where it is. */
async function handedOff(deps: Deps, record: WorkspaceRecord): Promise<boolean> {
  const host = record.host === null ? undefined : await deps.store.read.hosts.byId(record.host)
  if (host?.status !== 'draining' || record.status !== 'idle' || (await isHostless(deps, record)))
    return false
  try {
    const wish = { workspace: record.id, host: null, drainMs: DRAIN_MS }
    await handOffWorkspace(deps, { org: record.org, actor: 'control' }, wish)
    return true
  } catch (error) {
    if (isFailure(error)) return false
    throw error
  }
}

async function isHostless(deps: Deps, record: WorkspaceRecord): Promise<boolean> {
  const hosts = await deps.store.read.hosts.list()
  return hosts.every(({ id, status }) => id === record.host || status !== 'ready')
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

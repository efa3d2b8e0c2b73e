import { Failure, isFailure } from '@holdfast/base/failure'
import type { CloseOutcome } from '@holdfast/protocol/host-calls'
import { backoffMs } from '../domain/decide-open-failure.ts'
import { decideStop, type StopDecision } from '../domain/decide-stop.ts'
import { withLostRun } from '../domain/lost-run.ts'
import { moved } from '../domain/transitions.ts'
import type { Pending, WorkspaceRecord } from '../domain/workspace.ts'
import type { Deps } from '../operations/context.ts'
import { loseExecs } from '../operations/report-execs.ts'
import { advance } from './advance.ts'
import { hasLostItsHost } from './lost-host.ts'

/** A last commit to a slow store takes a while. */
const CLOSE_MS_MAX = 15 * 60_000

type Close = Extract<Pending, { readonly kind: 'close' }>
const CLOSE_DEFAULT: Close = { kind: 'close', drainMs: 0, force: false, from: 'idle' }

/** Brings a workspace that is `stopping` to `stopped`, or back to `idle` if it could not be saved and lives. */
export async function close(deps: Deps, record: WorkspaceRecord): Promise<void> {
  const pending = record.pending?.kind === 'close' ? record.pending : CLOSE_DEFAULT
  try {
    const outcome = await outcomeOf(deps, record, pending)
    await conclude(deps, record, outcome && decideStop(outcome, pending.from))
  } catch (error) {
    await closeFailed(deps, record, error)
  }
}

/** Undefined: nothing was there to be closed. */
async function outcomeOf(
  deps: Deps,
  record: WorkspaceRecord,
  close: Close,
): Promise<CloseOutcome | undefined> {
  const host = record.host === null ? undefined : await deps.store.read.hosts.byId(record.host)
  if (host === undefined) return undefined
  const { drainMs, force } = close
  try {
    return await deps.links
      .to(host.address)
      .call(
        'closeWorkspace',
        { workspace: record.id, cause: 'stop', drainMs, force },
        { timeoutMs: drainMs + CLOSE_MS_MAX },
      )
  } catch (error) {
    if (!isFailure(error, 'not-found', 'sandbox-gone')) throw error
    return await earlierOutcome(deps, record)
  }
}

/** Of a close that went through while its answer was lost: the history knows. */
async function earlierOutcome(deps: Deps, record: WorkspaceRecord): Promise<CloseOutcome> {
  const [newest] = await deps.histories.list(record.id, { limit: 1 })
  const isOfThisStop = newest?.cause === 'stop' && newest.sequence >= record.sequence
  if (newest && isOfThisStop) return { kind: 'saved', generation: newest }
  return {
    kind: 'not-saved',
    sandbox: 'gone',
    failure: { code: 'sandbox-gone', message: 'the host does not run it any more', details: {} },
  }
}

async function conclude(
  deps: Deps,
  record: WorkspaceRecord,
  decision: StopDecision | undefined,
): Promise<void> {
  await advance(deps, record, async (current, changes) => {
    const at = deps.clock.wallMs()
    if (decision?.to === 'idle') {
      const { snapshotError } = decision
      return {
        ...moved(current, { to: 'idle', at, reason: 'not-saved', message: snapshotError }),
        snapshotError,
      }
    }
    await loseExecs(changes, current, { reason: 'stop', at })
    await changes.facts.remove(current.id)
    const stopped = {
      ...moved(current, { to: 'stopped', at, reason: current.reason }),
      host: null,
      seedHost: current.host,
      sandbox: null,
    }
    if (decision === undefined) return stopped
    if ('snapshotError' in decision) return { ...withLostRun(stopped), snapshotError: decision.snapshotError }
    const { snapshot, sequence } = decision
    return {
      ...stopped,
      ...{ snapshot, head: snapshot, sequence, snapshotError: null },
      lastDurableAt: Math.max(current.lastDurableAt ?? 0, decision.at),
    }
  })
}

async function closeFailed(deps: Deps, record: WorkspaceRecord, error: unknown): Promise<void> {
  const failure = error instanceof Failure ? error : new Failure('internal', String(error), {}, error)
  if (await hasLostItsHost(deps, record)) {
    await conclude(deps, record, {
      to: 'stopped',
      snapshotError: 'node_lost: its host was lost before the last commit',
    })
    return
  }
  await advance(deps, record, (current) => {
    const at = deps.clock.wallMs()
    const said = { reason: failure.code, message: failure.message }
    if (failure.kind === 'broken') return moved(current, { to: 'failed', at, ...said })
    const attempts = current.attempts + 1
    return { ...current, ...said, attempts, updatedAt: at, dueAt: at + backoffMs(attempts) }
  })
}

import { isFailure } from '@holdfast/base/failure'
import { backoffMs } from '../domain/decide-open-failure.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Deps } from '../operations/context.ts'
import { loseExecs } from '../operations/report-execs.ts'
import { advance } from './advance.ts'
import { hasLostItsHost } from './lost-host.ts'

const CLOSE_MS_MAX = 5 * 60_000

/** Ends what still runs of a removed workspace, and drops what hosts keep of it. */
export async function remove(deps: Deps, record: WorkspaceRecord): Promise<void> {
  try {
    await forgetAt(deps, record)
  } catch (error) {
    if (!(await isBeyondReach(deps, record, error))) {
      await advance(deps, record, (current) => {
        const attempts = current.attempts + 1
        return { ...current, attempts, dueAt: deps.clock.wallMs() + backoffMs(attempts) }
      })
      return
    }
  }
  await advance(deps, record, async (current, changes) => {
    await loseExecs(changes, current, { reason: 'stop', at: deps.clock.wallMs() })
    await changes.facts.remove(current.id)
    return { ...current, host: null, sandbox: null, pending: null, dueAt: null }
  })
}

async function forgetAt(deps: Deps, record: WorkspaceRecord): Promise<void> {
  const id = record.host ?? record.seedHost
  const host = id === null ? undefined : await deps.store.read.hosts.byId(id)
  if (host === undefined) return
  const link = deps.links.to(host.address)
  const close = { workspace: record.id, cause: 'stop', drainMs: 0, force: true } as const
  await ignoringAbsence(() => link.call('closeWorkspace', close, { timeoutMs: CLOSE_MS_MAX }))
  await ignoringAbsence(() => link.call('forgetWorkspace', { workspace: record.id }))
}

async function ignoringAbsence(call: () => Promise<unknown>): Promise<void> {
  try {
    await call()
  } catch (error) {
    if (!isFailure(error, 'not-found', 'sandbox-gone')) throw error
  }
}

/** A host that is lost has nothing that runs; what it keeps on its disk it is told to drop when it reports. */
async function isBeyondReach(deps: Deps, record: WorkspaceRecord, error: unknown): Promise<boolean> {
  if (!isFailure(error, 'host-unreachable')) return false
  return await hasLostItsHost(deps, record)
}

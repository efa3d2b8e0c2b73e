import { withLostRun } from '../domain/lost-run.ts'
import { moved } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Changes } from '../ports/store.ts'
import { loseExecs } from './report-execs.ts'

/** The record on its way to another sandbox, from the head, after the one that ran has ended without a word. */
export async function recovered(
  changes: Changes,
  record: WorkspaceRecord,
  { at, isHostLost }: { readonly at: number; readonly isHostLost: boolean },
): Promise<WorkspaceRecord> {
  await loseExecs(changes, record, { reason: 'node_lost', at })
  await changes.facts.remove(record.id)
  const next = moved(record, { to: 'provisioning', at, reason: 'node_lost', pending: { kind: 'open' } })
  return {
    ...withLostRun(next),
    host: null,
    seedHost: record.host,
    avoid: isHostLost && record.host ? [record.host] : [],
    sandbox: null,
  }
}

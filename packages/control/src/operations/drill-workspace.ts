import type { DrillRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace } from './find-workspace.ts'
import { noteDrill } from './note-drill.ts'
import { askReaders } from './reader-hosts.ts'
import { audited, happened } from './tell-event.ts'

const DRILL_MS_MAX = 15 * 60_000

/** Restores the head for real on a host, has it checked, and keeps the outcome. In every status. */
export async function drillWorkspace(deps: Deps, caller: Caller, name: string): Promise<DrillRecord> {
  const record = await findWorkspace(deps, caller, name)
  await deps.store.write(async (changes) => {
    changes.emit(audited(caller, { type: 'workspace_drill', at: deps.clock.wallMs(), workspace: record }))
  })
  const request = { workspace: record.id, org: record.org, generation: null }
  const answer = await askReaders(deps, record, (link) =>
    link.call('drill', request, { timeoutMs: DRILL_MS_MAX }),
  )
  const drill = { ...answer, workspace: record.id, at: deps.clock.wallMs() }
  await deps.store.write(async (changes) => {
    await noteDrill(changes, record, drill)
    const { generation, outcome, detail, tookMs, at } = drill
    const payload = { generation, outcome, detail, took_ms: tookMs }
    changes.emit(happened(record, { type: 'drill_result', at, actor: caller.actor, payload }))
  })
  return drill
}

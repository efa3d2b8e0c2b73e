import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { RpcParsed } from '@holdfast/protocol/rpc-table'
import type { Deps } from './context.ts'
import { noteReportedDrill } from './note-drill.ts'
import { putExecState } from './report-execs.ts'

type Calls = typeof CONTROL_CALLS

/** Keeps what a host or a guest says happened, once each. Those of workspaces that are not known are dropped. */
export async function reportEvents(
  deps: Deps,
  { host, events }: RpcParsed<Calls, 'reportEvents'>,
): Promise<void> {
  await deps.store.write(async (changes) => {
    const nowMs = deps.clock.wallMs()
    for (const event of events) {
      const record = event.workspace === null ? undefined : await changes.workspaces.byId(event.workspace)
      if (record === undefined || !(await changes.reports.note(`${host} ${event.id}`, nowMs))) continue
      await noteReportedDrill(changes, record, event)
      const { type, source, at, payload } = event
      changes.emit({
        category: 'activity',
        type,
        org: record.org,
        workspace: record.id,
        actor: host,
        source,
        at,
        payload,
      })
    }
  })
}

/** Keeps the states of commands that a host says have changed. */
export async function reportExecs(deps: Deps, { execs }: RpcParsed<Calls, 'reportExecs'>): Promise<void> {
  await deps.store.write(async (changes) => {
    const at = deps.clock.wallMs()
    for (const { workspace, epoch, exec } of execs) {
      const known = await changes.execs.find(workspace, exec.id)
      if (known?.epoch === epoch) await putExecState(changes, known, { state: exec, at })
    }
  })
}

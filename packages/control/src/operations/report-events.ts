import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { RpcParsed } from '@holdfast/protocol/rpc-table'
import type { Deps } from './context.ts'
import { noteReportedDrill } from './note-drill.ts'
import { isNews, putExecState } from './report-execs.ts'

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
  const news = await newsOf(deps, execs)
  if (news.length === 0) return
  await deps.store.write(async (changes) => {
    const at = deps.clock.wallMs()
    for (const { workspace, epoch, exec } of news) {
      const known = await changes.execs.find(workspace, exec.id)
      if (known?.epoch === epoch) await putExecState(changes, known, { state: exec, at })
    }
  })
}

type Reports = RpcParsed<Calls, 'reportExecs'>['execs']

/** Whoever waited for the end of a command has saved it already: most of what is reported is known. */
async function newsOf(deps: Deps, reports: Reports): Promise<Reports> {
  const news: Reports = []
  for (const report of reports) {
    const known = await deps.store.read.execs.find(report.workspace, report.exec.id)
    if (known?.epoch === report.epoch && isNews(known, report.exec)) news.push(report)
  }
  return news
}

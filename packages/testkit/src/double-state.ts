import { systemClock } from '@holdfast/base/clock'
import type { Event } from '@holdfast/protocol/rest/platform'
import { Refusal } from './api-double-wire.ts'
import type { DoubleExec } from './double-exec.ts'
import type { DoubleWorkspace } from './double-workspace.ts'

/** What a double of the API remembers. */
export class DoubleState {
  readonly workspaces = new Map<string, DoubleWorkspace>()
  readonly events: Event[] = []

  /** By id or name. Throws `not-found`. */
  workspace(named: string): DoubleWorkspace {
    const found = [...this.workspaces.values()].find(
      ({ document }) => document.id === named || document.name === named,
    )
    if (found === undefined) throw new Refusal('not-found', `no workspace ${named}`)
    return found
  }

  exec(workspace: string, id: string): DoubleExec {
    const exec = this.workspace(workspace).execs.get(id)
    if (exec === undefined) throw new Refusal('not-found', `no command ${id}`)
    return exec
  }

  tell(workspace: DoubleWorkspace, type: string): void {
    this.events.push({
      id: this.events.length + 1,
      category: 'activity',
      type,
      org_id: workspace.document.org_id,
      workspace_id: workspace.document.id,
      actor: 'system',
      source: 'control',
      at: systemClock.wallMs(),
      payload: { status: workspace.document.status },
    })
  }
}

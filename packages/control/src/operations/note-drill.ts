import type { ReportedEvent } from '@holdfast/protocol/control-calls'
import { GenerationId } from '@holdfast/protocol/identifiers'
import { z } from 'zod'
import type { DrillRecord, WorkspaceRecord } from '../domain/workspace.ts'
import type { Changes } from '../ports/store.ts'

/** A proof that could not be made says nothing of the generation, and is an event only. */
const Proof = z.object({
  generation: GenerationId,
  outcome: z.enum(['verified', 'damaged']),
  detail: z.string(),
  took_ms: z.number(),
})

/** Keeps the outcome of a drill: in the list, and the newest with its workspace. */
export async function noteDrill(
  changes: Changes,
  { id, org }: Pick<WorkspaceRecord, 'id' | 'org'>,
  drill: DrillRecord,
): Promise<void> {
  await changes.drills.insert(org, drill)
  const current = await changes.workspaces.take(id)
  if (current && (current.lastDrill?.at ?? 0) <= drill.at)
    await changes.workspaces.save({ ...current, lastDrill: drill })
}

/** A drill that a host made by itself. */
export async function noteReportedDrill(
  changes: Changes,
  record: Pick<WorkspaceRecord, 'id' | 'org'>,
  { type, source, at, payload }: ReportedEvent,
): Promise<void> {
  if (type !== 'drill_result' || source !== 'host') return
  const proof = Proof.safeParse(payload)
  if (!proof.success) return
  const { generation, outcome, detail, took_ms: tookMs } = proof.data
  await noteDrill(changes, record, { workspace: record.id, generation, outcome, detail, tookMs, at })
}

import type { GenerationIndex } from '../index/generation-index.ts'
import { retainedGenerations } from './mark-workspace.ts'
import { decideRetention, type RetentionPolicy } from './retention.ts'

/** Ids dropped in one transaction. */
const DROPPED_AT_ONCE = 500

/**
 * Drops the generations of a workspace that the policy no longer keeps; returns their ids. What they alone needed goes
 * with the next garbage collection.
 */
export async function thinHistory(
  deps: { readonly index: GenerationIndex },
  workspace: { readonly org: string; readonly workspace: string },
  now: { readonly wallMs: number; readonly policy?: RetentionPolicy },
): Promise<readonly string[]> {
  const { org, workspace: id } = workspace
  const forks = await deps.index.workspaces(org)
  const pinned = new Set(forks.flatMap(({ forkedFrom }) => forkedFrom ?? []))
  const rows = (await retainedGenerations(deps.index, id)).filter((row) => row.workspace === id)
  const dropped = decideRetention(rows, { wallMs: now.wallMs, pinned }, now.policy)
  for (let start = 0; start < dropped.length; start += DROPPED_AT_ONCE)
    await deps.index.dropGenerations(dropped.slice(start, start + DROPPED_AT_ONCE))
  return dropped
}

import type { ChunkId } from '../format/chunk-id.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import type { ChunkGraph } from './chunk-graph.ts'
import type { StoreDeps } from './maintenance-deps.ts'
import { markWorkspace, packsOfRecords, visitNeeded } from './mark-workspace.ts'

/** What the retained generations of an org need. */
export interface OrgMark {
  /** Packs in which a needed chunk is found by a workspace that needs it, or that hold a record. */
  readonly needed: ReadonlySet<string>
  /** A pack for each needed chunk. */
  readonly places: ReadonlyMap<ChunkId, string>
  /** Generations that can be restored. */
  readonly retained: ReadonlySet<string>
}

/** Marks every workspace of an org, each through its own index. Rejects as `markWorkspace` does. */
export async function markOrg(deps: StoreDeps, org: string, graph: ChunkGraph): Promise<OrgMark> {
  const needed = new Set<string>()
  const places = new Map<ChunkId, string>()
  const retained = new Set<string>()
  for (const { id } of await deps.index.workspaces(org)) {
    const mark = await markWorkspace(deps, { org, workspace: id }, graph)
    for (const row of mark.retained) retained.add(row.id)
    for (const pack of packsOfRecords(mark)) needed.add(pack)
    await visitNeeded(mark, (found, id) => {
      const pack = ChunkIndex.packName(found)
      needed.add(pack)
      places.set(id, pack)
    })
  }
  return { needed, places, retained }
}

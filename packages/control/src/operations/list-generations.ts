import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import { type Page, pageFrom, parseCursor } from '../domain/cursor.ts'
import type { Caller, Deps } from './context.ts'
import { findGeneration } from './find-generation.ts'
import { findWorkspace } from './find-workspace.ts'

const CHECKPOINT_PAGE = 200
/** Checkpoints are looked for in so many generations a page. */
const SEARCHED_MAX = 4_000

export interface GenerationListing {
  readonly workspace: string
  readonly cursor: string | undefined
  readonly limit: number
  readonly checkpointsOnly: boolean
}

/** Newest first. */
export async function listGenerations(
  deps: Deps,
  caller: Caller,
  listing: GenerationListing,
): Promise<Page<GenerationSummary>> {
  const { id, hasHistory } = await findWorkspace(deps, caller, listing.workspace)
  const { cursor, limit, checkpointsOnly } = listing
  if (!hasHistory) return { items: [], next: null }
  let before = cursor === undefined ? undefined : parseCursor(cursor).at
  const found: GenerationSummary[] = []
  for (let searched = 0; searched < SEARCHED_MAX && found.length <= limit; ) {
    const asked = checkpointsOnly ? CHECKPOINT_PAGE : limit + 1
    const page = await deps.histories.list(id, {
      limit: asked,
      ...(before === undefined ? {} : { beforeSequence: before }),
    })
    found.push(...page.filter(({ cause }) => !checkpointsOnly || cause === 'checkpoint'))
    searched += page.length
    before = page.at(-1)?.sequence
    if (page.length < asked || !checkpointsOnly) break
  }
  return pageFrom(found.slice(0, limit + 1), limit, (generation) => ({
    at: generation.sequence,
    id: generation.id,
  }))
}

export async function showGeneration(
  deps: Deps,
  caller: Caller,
  name: { readonly workspace: string; readonly generation: string },
): Promise<GenerationSummary> {
  return await findGeneration(deps, await findWorkspace(deps, caller, name.workspace), name.generation)
}

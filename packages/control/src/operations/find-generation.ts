import { Failure } from '@holdfast/base/failure'
import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import { GenerationId } from '@holdfast/protocol/identifiers'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Deps } from './context.ts'

const PAGE = 200
/** A beginning of an id is looked for in so many of the newest generations. */
const SEARCHED_MAX = 10_000
const PREFIX_CHARACTERS_MIN = 4

/** `head`, or by id, by number, or by the beginning of an id, of at least 4 digits. `not-found`, or `invalid-argument` if several fit. */
export async function findGeneration(
  deps: Deps,
  record: WorkspaceRecord,
  name: string,
): Promise<GenerationSummary> {
  if (name === 'head') {
    const [head] = await deps.histories.list(record.id, { limit: 1 })
    if (head) return head
    throw noGeneration(name)
  }
  const id = GenerationId.safeParse(name)
  if (id.success) {
    const found = await deps.histories.byId(record.id, id.data)
    if (found) return found
    throw noGeneration(name)
  }
  const byNumber = await numbered(deps, record, name)
  if (byNumber) return byNumber
  if (!/^[0-9a-f]+$/.test(name) || name.length < PREFIX_CHARACTERS_MIN) throw noGeneration(name)
  return await prefixed(deps, record, name)
}

async function numbered(
  deps: Deps,
  record: WorkspaceRecord,
  name: string,
): Promise<GenerationSummary | undefined> {
  if (!/^\d{1,9}$/.test(name)) return undefined
  const sequence = Number(name)
  const [found] = await deps.histories.list(record.id, { limit: 1, beforeSequence: sequence + 1 })
  return found?.sequence === sequence ? found : undefined
}

async function prefixed(deps: Deps, record: WorkspaceRecord, name: string): Promise<GenerationSummary> {
  const fitting: GenerationSummary[] = []
  let beforeSequence: number | undefined
  for (let searched = 0; searched < SEARCHED_MAX; searched += PAGE) {
    const page = await deps.histories.list(record.id, {
      limit: PAGE,
      ...(beforeSequence === undefined ? {} : { beforeSequence }),
    })
    fitting.push(...page.filter(({ id }) => id.startsWith(name)))
    beforeSequence = page.at(-1)?.sequence
    if (page.length < PAGE) break
  }
  const [found] = fitting
  if (found === undefined) throw noGeneration(name)
  if (fitting.length > 1)
    throw new Failure('invalid-argument', `${fitting.length} generations begin with ${name}`, {
      argument: 'generation',
    })
  return found
}

function noGeneration(name: string): Failure {
  return new Failure('not-found', `the workspace has no generation ${name}`, { generation: name })
}

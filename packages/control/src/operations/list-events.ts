import { Failure } from '@holdfast/base/failure'
import { type Page, pageFrom, parseCursor } from '../domain/cursor.ts'
import type { EventRecord } from '../domain/event.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace } from './find-workspace.ts'

export interface EventListing {
  readonly category: 'activity' | 'audit'
  readonly workspace?: string
  readonly cursor: string | undefined
  readonly limit: number
}

/** Newest first. */
export async function listEvents(
  deps: Deps,
  caller: Caller,
  listing: EventListing,
): Promise<Page<EventRecord>> {
  const { category, cursor, limit } = listing
  const workspace =
    listing.workspace === undefined ? undefined : (await findWorkspace(deps, caller, listing.workspace)).id
  const found = await deps.store.read.events.list({
    ...{ org: caller.org, category, limit: limit + 1 },
    ...(workspace === undefined ? {} : { workspace }),
    ...(cursor === undefined ? {} : { beforeId: parseCursor(cursor).at }),
  })
  return pageFrom(found, limit, ({ id }) => ({ at: id, id: String(id) }))
}

/** What a stream of events shows. */
export interface EventFilter {
  readonly workspaces: ReadonlySet<string>
  readonly types: ReadonlySet<string>
}

/** `workspace:<id or name>` and `type:<event type>`; a workspace that is not the caller's is `not-found`. */
export async function parseTopics(
  deps: Deps,
  caller: Caller,
  topics: readonly string[],
): Promise<EventFilter> {
  const workspaces = new Set<string>()
  const types = new Set<string>()
  for (const topic of topics) {
    const [, kind, name = ''] = /^(workspace|type):([A-Za-z0-9_-]{1,64})$/.exec(topic) ?? []
    if (kind === 'type') types.add(name)
    else if (kind === 'workspace') workspaces.add((await findWorkspace(deps, caller, name)).id)
    else
      throw new Failure('invalid-argument', 'a topic is workspace:<id> or type:<event type>', {
        argument: 'topic',
      })
  }
  return { workspaces, types }
}

export function isShown(event: EventRecord, { workspaces, types }: EventFilter): boolean {
  const isOfWorkspace = workspaces.size === 0 || (event.workspace !== null && workspaces.has(event.workspace))
  return isOfWorkspace && (types.size === 0 || types.has(event.type))
}

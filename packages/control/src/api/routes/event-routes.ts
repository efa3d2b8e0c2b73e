import { PageQuery, pageOf } from '@holdfast/protocol/rest/ground'
import { AuditVerification, Event, EventsQuery } from '@holdfast/protocol/rest/platform'
import type { z } from 'zod'
import type { EventRecord } from '../../domain/event.ts'
import { type EventFilter, isShown, listEvents, parseTopics } from '../../operations/list-events.ts'
import { verifyAudit } from '../../operations/verify-audit.ts'
import { type Call, type Route, route, streamRoute, type Wire } from '../route.ts'
import { EventStream, frameOf } from '../sse.ts'

const BATCH = 500
/** Whoever is further behind looks at the state itself rather than at how it came about. */
const BEHIND_MAX = 100_000
const RECHECK_MS = 30_000

function shownEvent(event: EventRecord): z.input<typeof Event> {
  const { id, category, type, org, workspace, actor, source, at, payload } = event
  return {
    id,
    category,
    type,
    org_id: org,
    workspace_id: workspace,
    actor,
    source,
    at,
    payload: { ...payload },
  }
}

async function page(
  call: Call<z.output<typeof PageQuery>, unknown>,
  listing: { category: 'activity' | 'audit'; workspace?: string },
) {
  const { cursor, limit } = call.query
  const { items, next } = await listEvents(call.deps, call.caller, { ...listing, cursor, limit })
  return { items: items.map(shownEvent), next_cursor: next }
}

/** The bytes of events that many followers are sent at once: made once, for as long as one of them holds the event. */
class EventFrames {
  readonly #made = new WeakMap<EventRecord, Uint8Array>()

  of(event: EventRecord): Uint8Array {
    const known = this.#made.get(event)
    if (known) return known
    const frame = frameOf({ type: event.category, id: event.id, document: shownEvent(event) })
    this.#made.set(event, frame)
    return frame
  }
}

type EventsCall = Call<z.output<typeof EventsQuery>, undefined>

function startOf({ query }: EventsCall, { incoming }: Wire): number | undefined {
  const header = incoming.headers['last-event-id']
  return typeof header === 'string' && /^\d{1,16}$/.test(header) ? Number(header) : query.after
}

/** Replays from the table what lies after the caller's last event, and goes on with what comes. */
async function follow(call: EventsCall, wire: Wire, frames: EventFrames): Promise<void> {
  const { deps, caller, query } = call
  const filter = await parseTopics(deps, caller, query.topic === undefined ? [] : [query.topic].flat())
  const head = await deps.store.read.events.lastId()
  using stream = new EventStream(wire.outgoing, deps.clock)
  using follower = deps.signals.followEvents()
  stream.signal.addEventListener('abort', () => follower.wake())
  let last = beginAfter(stream, startOf(call, wire) ?? head, head)
  let toldRemoved = last
  let checkedMs = deps.clock.monotonicMs()
  while (!stream.signal.aborted) {
    const nowMs = deps.clock.monotonicMs()
    const isCheckDue = nowMs - checkedMs > RECHECK_MS
    if (isCheckDue && !(await wire.isStillAllowed())) return
    if (isCheckDue) checkedMs = nowMs
    const events = await batchAfter(call, filter, last)
    // Asked after the rows were read: what was removed before them is missing there.
    if (toldRemoved <= last && last < head) toldRemoved = await tellRemoved(deps, stream, last)
    for (const event of events) if (isShown(event, filter)) stream.sendFrame(frames.of(event))
    last = events.at(-1)?.id ?? last
    await stream.drained()
    if (events.length < BATCH) await follower.next()
  }
}

/** `last`, or the head where the reader is told that it cannot go on from there. */
function beginAfter(stream: EventStream, last: number, head: number): number {
  if (last <= head && head - last <= BEHIND_MAX) return last
  stream.send({ type: last > head ? 'reset' : 'lagged', id: head, document: { as_of_event_id: head } })
  return head
}

/** Without an id: what is kept of what lies below, as rows of the audit, is still to come. */
async function tellRemoved(
  { store }: EventsCall['deps'],
  stream: EventStream,
  after: number,
): Promise<number> {
  const removed = await store.read.events.removedThrough()
  if (removed > after) stream.send({ type: 'gap', document: { after, removed_through: removed } })
  return removed
}

function batchAfter({ deps, caller }: EventsCall, filter: EventFilter, afterId: number) {
  const [workspace, ...others] = filter.workspaces
  return deps.signals.readEvents({
    ...{ org: caller.org, afterId, limit: BATCH },
    ...(caller.scopes.includes('audit:read') ? {} : { category: 'activity' }),
    ...(workspace === undefined || others.length > 0 ? {} : { workspace }),
  })
}

export function eventRoutes(): readonly Route[] {
  const frames = new EventFrames()
  return [followRoute(frames), ...LIST_ROUTES]
}

function followRoute(frames: EventFrames): Route {
  return streamRoute(
    {
      endpoint: 'GET /v1/events',
      scope: 'workspace:read',
      summary: 'Streams events of the org; audit rows too with the scope audit:read.',
      query: EventsQuery,
    },
    (call, wire) => follow(call, wire, frames),
  )
}

const LIST_ROUTES: readonly Route[] = [
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/activity',
      scope: 'workspace:read',
      summary: 'Lists what happened in a workspace, newest first.',
      query: PageQuery,
      answer: pageOf(Event),
    },
    (call) => page(call, { category: 'activity', workspace: call.params.id ?? '' }),
  ),
  route(
    {
      endpoint: 'GET /v1/audit',
      scope: 'audit:read',
      summary: 'Lists audit rows, newest first.',
      query: PageQuery,
      answer: pageOf(Event),
    },
    (call) => page(call, { category: 'audit' }),
  ),
  route(
    {
      endpoint: 'GET /v1/audit/verify',
      scope: 'audit:read',
      summary: 'Follows the hash chain of the audit.',
      answer: AuditVerification,
    },
    async ({ deps, caller }) => {
      const { rows, brokenAt, detail, headHash } = await verifyAudit(deps, caller)
      return {
        rows,
        outcome: brokenAt === null ? ('whole' as const) : ('broken' as const),
        broken_at: brokenAt,
        detail,
        head_hash: headHash,
      }
    },
  ),
]

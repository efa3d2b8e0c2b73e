import type { Event } from '@holdfast/protocol/rest/platform'
import { type Api, type CallOptions, pathOf, type Shown } from './api.ts'
import { followEvents } from './event-stream.ts'
import { pageItems } from './page-items.ts'

export type ActivityEvent = Shown<{ readonly _zod: { readonly output: Event } }>

/** `lagged`, `reset`, `gap`: events between the last one and the next are missing; look at the state itself. */
export type FollowedEvent =
  | { readonly kind: 'event'; readonly event: ActivityEvent }
  | { readonly kind: 'lagged' | 'reset' | 'gap' }

export interface EventsOptions extends CallOptions {
  /** `workspace:<id>`, `type:<event type>`; none: all that the key may see. */
  readonly topics?: readonly string[]
  /** Begins behind this event; absent: from now on. */
  readonly after?: number | undefined
}

/** Events as they happen, across lost connections. */
export async function* eventsOfTopics(api: Api, options: EventsOptions): AsyncGenerator<FollowedEvent, void> {
  const { topics, after, signal } = options
  const call = { path: pathOf('events'), query: { topic: topics, after }, signal }
  for await (const { name, document } of followEvents(api, call, () => false)) {
    if (name === 'lagged' || name === 'reset' || name === 'gap') yield { kind: name }
    else yield { kind: 'event', event: document as ActivityEvent }
  }
}

/** The events that a list holds. */
export function pastEvents(
  api: Api,
  path: string,
  options: CallOptions,
): AsyncGenerator<ActivityEvent, void> {
  interface Page {
    readonly items: readonly ActivityEvent[]
    readonly nextCursor: string | null
  }
  return pageItems(
    async (cursor) => await api.json<Page>({ method: 'GET', path, query: { cursor }, ...options }),
  )
}

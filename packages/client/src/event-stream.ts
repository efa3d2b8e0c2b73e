import { fromWire } from '@holdfast/protocol/rest/wire-case'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { Api, Call } from './api.ts'
import { HoldfastError } from './holdfast-error.ts'

export interface StreamedEvent {
  readonly name: string
  /** The SSE id; undefined where the event has none. */
  readonly id: string | undefined
  /** The document, in camelCase. */
  readonly document: unknown
}

/** Streams that end without having brought anything, one after the other, before it is a failure. */
const BARREN_MAX = 6
const BARREN_WAIT_MS_MAX = 5000
const EVENT_CHARACTERS_MAX = 8 << 20

/**
 * Follows an SSE stream across lost connections: each new one begins behind the last id. `isLast` tells the event that
 * ends it; until then it goes on.
 */
export async function* followEvents(
  api: Api,
  call: Omit<Call, 'method'>,
  isLast: (event: StreamedEvent) => boolean,
): AsyncGenerator<StreamedEvent, void> {
  let lastId: string | undefined
  for (let barren = 0; barren < BARREN_MAX; barren++) {
    if (barren > 0)
      await api.ground.sleep(
        Math.min(BARREN_WAIT_MS_MAX, 50 * 2 ** barren) * api.ground.random(),
        call.signal,
      )
    const resumed = lastId === undefined ? {} : { 'last-event-id': lastId }
    const headers = { accept: 'text/event-stream', ...call.headers, ...resumed }
    const response = await api.open({ ...call, method: 'GET', headers })
    // A server with nothing to tell says so in comments: that connection was of use.
    const onComment = () => {
      barren = 0
    }
    for await (const event of eventsOf(response, { signal: call.signal, onComment })) {
      barren = 0
      lastId = event.id ?? lastId
      yield event
      if (isLast(event)) return
    }
  }
  throw new HoldfastError({
    code: 'server-unreachable',
    message: `the stream ${call.path} broke off ${BARREN_MAX} times without bringing anything`,
  })
}

/** The events of one connection; a lost connection ends them like a finished one. */
async function* eventsOf(
  response: Response,
  { signal, onComment }: { readonly signal: AbortSignal | undefined; readonly onComment: () => void },
): AsyncGenerator<StreamedEvent, void> {
  if (response.body === null) return
  const events = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({ maxBufferSize: EVENT_CHARACTERS_MAX, onComment }))
    .getReader()
  try {
    while (true) {
      const { done, value } = await events.read()
      if (done) return
      yield { name: value.event ?? 'message', id: value.id, document: fromWire(JSON.parse(value.data)) }
    }
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof SyntaxError) throw error
  } finally {
    await events.cancel().catch(() => {})
  }
}

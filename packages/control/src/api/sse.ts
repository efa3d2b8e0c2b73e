import type { ServerResponse } from 'node:http'
import type { Clock } from '@holdfast/base/clock'

const HEARTBEAT_MS = 15_000
/** Whoever reads slower than this many bytes behind is cut off, and comes back with Last-Event-ID. */
const BUFFERED_BYTES_MAX = 1 << 20

export interface SentEvent {
  readonly type: string
  readonly id?: number
  readonly document: unknown
}

/** The bytes of an event. */
export function frameOf({ type, id, document }: SentEvent): Buffer {
  const idLine = id === undefined ? '' : `id: ${id}\n`
  return Buffer.from(`event: ${type}\n${idLine}data: ${JSON.stringify(document)}\n\n`)
}

/** Server-sent events on a response that is this stream's alone. */
export class EventStream implements Disposable {
  readonly #outgoing: ServerResponse
  readonly #gone = new AbortController()

  constructor(outgoing: ServerResponse, clock: Clock) {
    this.#outgoing = outgoing
    outgoing.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    outgoing.flushHeaders()
    outgoing.once('close', () => this.#gone.abort())
    void this.#beat(clock)
  }

  /** Aborted once the reader is gone. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  /** True if the reader is so far behind that it was cut off. */
  get isLagging(): boolean {
    return this.#outgoing.writableLength > BUFFERED_BYTES_MAX
  }

  send(event: SentEvent): void {
    this.#outgoing.write(frameOf(event))
  }

  /** An event that many are sent is made bytes once. */
  sendFrame(frame: Uint8Array): void {
    this.#outgoing.write(frame)
  }

  /** Resolves once the reader has caught up, or is gone. */
  async drained(): Promise<void> {
    if (!this.#outgoing.writableNeedDrain || this.signal.aborted) return
    await new Promise<void>((resolve) => {
      this.#outgoing.once('drain', resolve)
      this.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  [Symbol.dispose](): void {
    this.#outgoing.end()
    this.#gone.abort()
  }

  async #beat(clock: Clock): Promise<void> {
    while (!this.signal.aborted) {
      await clock.sleep(HEARTBEAT_MS, this.signal).catch(() => undefined)
      if (!this.signal.aborted) this.#outgoing.write(': heartbeat\n\n')
    }
  }
}

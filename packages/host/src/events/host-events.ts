import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import { ReportedEvent } from '@holdfast/protocol/control-calls'
import { WorkspaceId } from '@holdfast/protocol/identifiers'

/** After the nth refusal in a row; the last one for all further ones. */
const AGAIN_MS = [100, 250, 500, 1000, 2000, 5000] as const
const BATCH_MAX = 500
/** The oldest go when control was away for so long that there are more. */
const WAITING_MAX = 20_000
/** The file has at most so many lines that control knows already. */
const KNOWN_LINES_MAX = 2_000

export interface HostEventsDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  /** What was told and is not known to have arrived, a line each. */
  readonly path: string
  /** Durable when it resolves; an event that comes again counts once. */
  readonly send: (events: readonly ReportedEvent[]) => Promise<unknown>
}

/**
 * Tells control what happened on this host, until it knows, in order. What was told outlives this process; it is not
 * synced to the disk, since no workspace of this host outlives a crash of the machine either.
 */
export class HostEvents implements AsyncDisposable {
  readonly #deps: HostEventsDeps
  readonly #over = new AbortController()
  readonly #waiting: ReportedEvent[]
  #knownLines = 0
  #sending: Promise<void> | undefined

  /** Goes on with what a process before could not tell. */
  constructor(deps: HostEventsDeps) {
    this.#deps = deps
    this.#waiting = readEvents(deps.path)
    this.#rewrite()
    this.#begin()
  }

  /** Kept when it returns. */
  add(event: ReportedEvent): void {
    appendFileSync(this.#deps.path, `${JSON.stringify(event)}\n`, { mode: 0o600 })
    this.#waiting.push(event)
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift()
    this.#begin()
  }

  /** The same for what happened to a workspace just now. */
  tell(workspace: string, type: string, payload: ReportedEvent['payload']): void {
    const { clock, randomness } = this.#deps
    this.add({
      id: newIdentifier('event', randomness),
      workspace: WorkspaceId.parse(workspace),
      source: 'host',
      type,
      at: clock.wallMs(),
      payload,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#sending
  }

  #begin(): void {
    if (this.#waiting.length === 0 || this.#over.signal.aborted) return
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
    })
  }

  async #send(): Promise<void> {
    const { clock, send } = this.#deps
    for (let failures = 0; this.#waiting.length > 0 && !this.#over.signal.aborted; ) {
      const batch = this.#waiting.slice(0, BATCH_MAX)
      try {
        await send(batch)
        failures = 0
        this.#forget(batch)
      } catch (error) {
        if (!isFailure(error)) throw error
        const pauseMs = AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)] ?? 0
        await clock.sleep(pauseMs, this.#over.signal).catch(() => {}) // ended by the end
      }
    }
  }

  /** Some of them may have had to go meanwhile. */
  #forget(batch: readonly ReportedEvent[]): void {
    const sent = new Set(batch)
    while (this.#waiting[0] && sent.has(this.#waiting[0])) this.#waiting.shift()
    this.#knownLines += batch.length
    if (this.#waiting.length === 0 || this.#knownLines > KNOWN_LINES_MAX) this.#rewrite()
  }

  #rewrite(): void {
    const lines = this.#waiting.map((event) => `${JSON.stringify(event)}\n`)
    writeFileSync(this.#deps.path, lines.join(''), { mode: 0o600 })
    this.#knownLines = 0
  }
}

/** The last line may be half of one. */
function readEvents(path: string): ReportedEvent[] {
  const lines = readOrEmpty(path).split('\n').slice(0, -1)
  return lines.flatMap((line) => {
    const parsed = ReportedEvent.safeParse(parsedJson(line))
    return parsed.success ? [parsed.data] : []
  })
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  }
}

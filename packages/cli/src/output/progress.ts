import type { Clock } from '@holdfast/base/clock'
import { formatBytes, formatCount, formatDuration } from './quantities.ts'
import { cutToWidth } from './table.ts'

/** How far something is. What is not known is left out. */
export interface ProgressState {
  readonly bytesDone?: number
  readonly bytesTotal?: number
  readonly filesDone?: number
  readonly filesTotal?: number
}

/** Nothing is shown for what is done sooner. */
const QUIET_MS = 1000
const REPAINT_MS = 100
const LINE_EVERY_MS = 5000
const BAR_COLUMNS = 20
/** Before this share is done, the time that is left is a guess. */
const ETA_SHARE_MIN = 0.02

export interface ProgressSink {
  readonly write: (text: string) => void
  /** Columns of the terminal that is painted on; undefined: lines are written one under the other. */
  readonly columns: () => number | undefined
}

/** One line: `restoring  ██████░░  45 %  1.2 GB of 2.6 GB  8,120 files  210 MB/s  6.0 s left`. */
export function progressLine(label: string, state: ProgressState, elapsedMs: number): string {
  const { bytesDone = 0, bytesTotal, filesDone, filesTotal } = state
  const share = shareOf(state)
  const parts = [label]
  if (share !== undefined) {
    const full = Math.round(share * BAR_COLUMNS)
    parts.push('█'.repeat(full) + '░'.repeat(BAR_COLUMNS - full), `${Math.floor(share * 100)} %`)
  }
  if (bytesTotal !== undefined) parts.push(`${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`)
  else if (bytesDone > 0) parts.push(formatBytes(bytesDone))
  const files = filesDone ?? filesTotal
  if (filesDone !== undefined && filesTotal !== undefined)
    parts.push(`${formatCount(filesDone)} of ${formatCount(filesTotal)} files`)
  else if (files !== undefined) parts.push(`${formatCount(files)} files`)
  if (bytesDone > 0 && elapsedMs > 0) parts.push(`${formatBytes((bytesDone / elapsedMs) * 1000)}/s`)
  if (share !== undefined && share >= ETA_SHARE_MIN && share < 1)
    parts.push(`${formatDuration((elapsedMs / share) * (1 - share))} left`)
  else parts.push(formatDuration(elapsedMs))
  return parts.join('  ')
}

function shareOf({ bytesDone, bytesTotal, filesDone, filesTotal }: ProgressState): number | undefined {
  if (bytesDone !== undefined && bytesTotal) return Math.min(1, bytesDone / bytesTotal)
  if (filesDone !== undefined && filesTotal) return Math.min(1, filesDone / filesTotal)
  return undefined
}

/** Shows how far a long step is, from its second second on, until it is disposed of. */
export class Progress implements Disposable {
  readonly #label: string
  readonly #sink: ProgressSink
  readonly #clock: Clock
  readonly #source: () => ProgressState
  readonly #stopped = new AbortController()
  readonly #startedMs: number
  #painted = false

  /** `source` is asked whenever a line is due. */
  constructor(label: string, source: () => ProgressState, ground: { sink: ProgressSink; clock: Clock }) {
    this.#label = label
    this.#source = source
    this.#sink = ground.sink
    this.#clock = ground.clock
    this.#startedMs = ground.clock.monotonicMs()
    this.#run().catch(() => {}) // ends by the abort of its sleep
  }

  async #run(): Promise<void> {
    await this.#clock.sleep(QUIET_MS, this.#stopped.signal)
    while (!this.#stopped.signal.aborted) {
      const columns = this.#sink.columns()
      this.#show(columns)
      await this.#clock.sleep(columns === undefined ? LINE_EVERY_MS : REPAINT_MS, this.#stopped.signal)
    }
  }

  #show(columns: number | undefined): void {
    const line = progressLine(this.#label, this.#source(), this.#clock.monotonicMs() - this.#startedMs)
    this.#painted = columns !== undefined
    this.#sink.write(columns === undefined ? `${line}\n` : `\r\x1b[K${cutToWidth(line, columns - 1)}`)
  }

  [Symbol.dispose](): void {
    this.#stopped.abort()
    if (this.#painted) this.#sink.write('\r\x1b[K')
  }
}

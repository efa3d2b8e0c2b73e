import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { RpcRequest } from '@holdfast/protocol/rpc-table'

type Report = RpcRequest<typeof CONTROL_CALLS, 'reportExecs'>['execs'][number]

/** After the nth refusal in a row; the last one for all further ones. */
const AGAIN_MS = [100, 250, 500, 1000, 2000, 5000] as const
const BATCH_MAX = 500
/** Ends of quick commands travel together: whoever waits for one is answered by the host itself. */
const GATHER_MS = 20

export interface ExecReportsDeps {
  readonly clock: Clock
  /** Durable when it resolves. */
  readonly send: (reports: readonly Report[]) => Promise<unknown>
  /** Called once control has it. */
  readonly onReported: (report: Report) => void
}

/** Tells control how commands ended, until it knows. */
export class ExecReports implements AsyncDisposable {
  readonly #deps: ExecReportsDeps
  readonly #over = new AbortController()
  #waiting: Report[] = []
  #sending: Promise<void> | undefined

  constructor(deps: ExecReportsDeps) {
    this.#deps = deps
  }

  add(report: Report): void {
    this.#waiting.push(report)
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
    })
  }

  /** What has not been told is told by the next process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#sending
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted
  }

  async #send(): Promise<void> {
    await this.#deps.clock.sleep(GATHER_MS, this.#over.signal).catch(() => {}) // cut short by the end
    for (let failures = 0; this.#waiting.length > 0 && (failures === 0 || !this.#isOver); ) {
      const batch = this.#waiting.slice(0, BATCH_MAX)
      try {
        await this.#deps.send(batch)
        this.#waiting.splice(0, batch.length)
        failures = 0
        for (const report of batch) this.#deps.onReported(report)
      } catch (error) {
        if (!isFailure(error)) throw error
        const pauseMs = AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)] ?? 0
        await this.#deps.clock.sleep(pauseMs, this.#over.signal).catch(() => {}) // ended by the end
      }
    }
  }
}

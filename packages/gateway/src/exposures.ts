import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { RpcResponse } from '@holdfast/protocol/rpc-table'
import type { RpcClient } from '@holdfast/rpc/rpc-client'
import type { GatewayLimits } from './limits.ts'
import type { Place } from './upstream.ts'

export type Exposure = RpcResponse<typeof CONTROL_CALLS, 'resolveExposure'>

export interface ExposuresDeps {
  readonly control: Pick<RpcClient<typeof CONTROL_CALLS>, 'call'>
  readonly clock: Clock
  readonly limits: GatewayLimits
}

interface PortName {
  readonly workspace: string
  readonly port: number
}

interface Entry {
  readonly answer: Promise<Exposure>
  readonly askedAt: number
}

const ENTRIES_MAX = 10_000
const CALL_MS_MAX = 30_000
const WAKE_PAUSE_MS = 250

/** What control says of ports: kept for `resolvedMs`, and asked once for all who want it at a time. */
export class Exposures implements Disposable {
  readonly #deps: ExposuresDeps
  readonly #entries = new Map<string, Entry>()
  readonly #closed = new AbortController()
  readonly #waking = new Map<string, Promise<Place>>()

  constructor(deps: ExposuresDeps) {
    this.#deps = deps
  }

  /** Wakes nobody. Rejects with `not-found` for what is not exposed, and when control does not answer. */
  find(name: PortName): Promise<Exposure> {
    const key = keyOf(name)
    const { clock, limits } = this.#deps
    const known = this.#entries.get(key)
    if (known && clock.monotonicMs() - known.askedAt < limits.resolvedMs) return known.answer
    const answer = this.#ask(name, false, CALL_MS_MAX)
    answer.catch((error) => {
      if (!isFailure(error, 'not-found')) this.#forget(key, answer)
    })
    this.#keep(key, answer)
    return answer
  }

  /** Where it runs; what is stopped is resumed. Rejects with control's last word if it does not run within `wakeMs`. */
  place(name: PortName): Promise<Place> {
    const key = keyOf(name)
    const underWay = this.#waking.get(key)
    if (underWay !== undefined) return underWay
    const woken = this.#wake(name).finally(() => this.#waking.delete(key))
    this.#waking.set(key, woken)
    return woken
  }

  /** Control is asked anew: a host has refused what it said. */
  drop(name: PortName): void {
    this.#entries.delete(keyOf(name))
  }

  /** Aborted once nobody is waited for any more. */
  get closing(): AbortSignal {
    return this.#closed.signal
  }

  [Symbol.dispose](): void {
    this.#closed.abort()
  }

  async #wake(name: PortName): Promise<Place> {
    const { clock, limits } = this.#deps
    const until = clock.monotonicMs() + limits.wakeMs
    let last: unknown = new Failure('sandbox-gone', 'the workspace does not run')
    for (let leftMs = limits.wakeMs; leftMs > 0; leftMs = until - clock.monotonicMs()) {
      try {
        const exposure = await this.#ask(name, true, Math.ceil(Math.min(CALL_MS_MAX, leftMs)))
        if (exposure.hostAddress !== null) {
          this.#keep(keyOf(name), Promise.resolve(exposure))
          return { ...exposure, port: name.port, hostAddress: exposure.hostAddress }
        }
      } catch (error) {
        if (!isFailure(error) || !error.retryable) throw error
        last = error
      }
      await clock.sleep(WAKE_PAUSE_MS, this.closing)
    }
    throw last
  }

  async #ask({ workspace, port }: PortName, resume: boolean, timeoutMs: number): Promise<Exposure> {
    try {
      return await this.#deps.control.call(
        'resolveExposure',
        { workspace, port, resume },
        { timeoutMs, signal: this.closing },
      )
    } catch (error) {
      if (isFailure(error) && (error.retryable || isFailure(error, 'not-found', 'invalid-state'))) throw error
      throw new Failure('internal', 'control refused to resolve a port', {}, error)
    }
  }

  #keep(key: string, answer: Promise<Exposure>): void {
    this.#entries.delete(key)
    this.#entries.set(key, { answer, askedAt: this.#deps.clock.monotonicMs() })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > ENTRIES_MAX && oldest !== undefined) this.#entries.delete(oldest)
  }

  #forget(key: string, answer: Promise<Exposure>): void {
    if (this.#entries.get(key)?.answer === answer) this.#entries.delete(key)
  }
}

function keyOf({ workspace, port }: PortName): string {
  return `${port}-${workspace}`
}

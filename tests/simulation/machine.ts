import type { BootClock } from '@holdfast/base/boot-clock'
import type { Clock } from '@holdfast/base/clock'
import { SimulatedProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

/** As real timers: a sleep too short to count would never pass. */
const TIMER_MS_MIN = 1

/** A generation's files on a host's disk. */
export interface DiskVolume {
  items: readonly string[]
  /** The generation that the items equal; undefined: they may be anything. */
  clean: { readonly generation: string | null; readonly boot: number } | undefined
}

/** The user's processes in one sandbox of a machine. */
export interface RunningUnit {
  readonly workspace: string
  readonly epoch: number
  readonly volume: DiskVolume
  readonly isEnded: boolean
  isFrozen: boolean
  end(): void
}

/** A machine: clocks of its own, a disk that lasts, an agent that may die, and sandboxes that may outlive it. */
export class Machine {
  readonly name: string
  readonly volumes = new Map<string, DiskVolume>()
  /** Those that run, by the id of their sandbox. */
  readonly units = new Map<string, RunningUnit>()
  readonly #scheduler: Scheduler
  readonly #rate: number
  /** The present agent, or the one that died last. */
  #process: SimulatedProcess
  #bootedAtMs: number
  #suspendedMs = 0
  #suspendedAtMs: number | undefined
  boot = 1
  /** No power. */
  isOff = false

  constructor(scheduler: Scheduler, name: string, rate: number) {
    this.#scheduler = scheduler
    this.name = name
    this.#rate = rate
    this.#bootedAtMs = scheduler.nowMs - 50_000
    this.#process = new SimulatedProcess(scheduler)
  }

  get process(): SimulatedProcess {
    return this.#process
  }

  get isSuspended(): boolean {
    return this.#suspendedAtMs !== undefined
  }

  /** True while processes of it can run. */
  get isRunning(): boolean {
    return !this.isOff && !this.isSuspended
  }

  bootMs(): number {
    return Math.floor(((this.#scheduler.nowMs - this.#bootedAtMs) * this.#rate) / 10) * 10
  }

  /** True time from now until the boot clock shows an instant. */
  untilBootMs(bootMs: number): number {
    return bootMs / this.#rate + this.#bootedAtMs - this.#scheduler.nowMs
  }

  /** A fresh agent process, in place of one that is dead. */
  newProcess(): SimulatedProcess {
    this.#process = new SimulatedProcess(this.#scheduler)
    if (this.isSuspended) this.#process.stop()
    return this.#process
  }

  suspend(): void {
    this.#suspendedAtMs = this.#scheduler.nowMs
    this.process.stop()
  }

  resume(): void {
    if (this.#suspendedAtMs === undefined) return
    this.#suspendedMs += (this.#scheduler.nowMs - this.#suspendedAtMs) * this.#rate
    this.#suspendedAtMs = undefined
    this.process.go()
  }

  /** Loses power. The disk stays. */
  powerOff(): void {
    this.resume()
    this.isOff = true
    this.process.kill()
    for (const unit of this.units.values()) unit.end()
    this.units.clear()
  }

  powerOn(): void {
    this.isOff = false
    this.boot++
    this.#bootedAtMs = this.#scheduler.nowMs
    this.#suspendedMs = 0
  }

  /** The clocks as one process of the machine has them. */
  clocksFor(process: SimulatedProcess): { readonly clock: Clock; readonly bootClock: BootClock } {
    const bootClock = { bootMs: () => this.bootMs() }
    const clock: Clock = {
      wallMs: () => 1_700_000_000_000 + Math.floor(this.#scheduler.nowMs * this.#rate),
      monotonicMs: () => this.bootMs() - this.#suspendedMs,
      sleep: (ms, signal) => this.#sleep(process, ms, signal),
    }
    return { clock, bootClock }
  }

  #sleep(process: SimulatedProcess, ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => {
        entry.cancel()
        reject(signal?.reason)
      }
      const entry = this.#scheduler.after(Math.max(ms, TIMER_MS_MIN) / this.#rate, () => {
        signal?.removeEventListener('abort', onAbort)
        process.wake(resolve)
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}

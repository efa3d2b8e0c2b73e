import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { ExecRequest, type ExecState } from '@holdfast/protocol/exec'
import type { ServiceSpec, ServiceState } from '@holdfast/protocol/service'
import type { Sandbox } from '@holdfast/sandbox/runtime'
import type { ExecRegistry } from '../exec/exec-registry.ts'
import type { ResidentExec } from '../exec/resident-exec.ts'
import { isHealthy } from './service-health.ts'

/** Before the nth start in a row that did not last; the last one for all further ones. */
const BACKOFF_MS = [1000, 2000, 4000, 8000, 16_000, 30_000] as const
/** A service that ran so long begins a new row. */
const LASTED_MS = 60_000
const PROBE_STARTING_MS = 250
const PROBE_MS = 5000
const STOP_GRACE_MS = 5000

export interface ServiceDeps {
  readonly clock: Clock
  readonly sandbox: Sandbox
  readonly registry: ExecRegistry
  /** Told of each change of its status. */
  readonly onChanged: (state: ServiceState) => void
}

/** Keeps one long-running command going until it is stopped. */
export class Service {
  readonly spec: ServiceSpec
  readonly #deps: ServiceDeps
  readonly #stopped = new AbortController()
  readonly #ended: Promise<void>
  #exec: ResidentExec | undefined
  #status: ServiceState['status'] = 'starting'
  #since: number
  #starts = 0

  /** Starts at once. */
  constructor(deps: ServiceDeps, spec: ServiceSpec) {
    this.#deps = deps
    this.spec = spec
    this.#since = deps.clock.wallMs()
    this.#ended = this.#run()
  }

  get state(): ServiceState {
    return {
      name: this.spec.name,
      status: this.#status,
      exec: this.#exec?.id ?? null,
      restarts: Math.max(0, this.#starts - 1),
      since: this.#since,
    }
  }

  /** Ends it for good: TERM, then KILL. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#exec?.stop({ kind: 'ended', reason: 'stop' }, STOP_GRACE_MS)
    await this.#ended
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps
    const signal = this.#stopped.signal
    let failures = 0
    while (!signal.aborted) {
      const startedAt = clock.monotonicMs()
      const end = await this.#runOnce()
      if (signal.aborted || !this.#isRestarted(end)) break
      failures = clock.monotonicMs() - startedAt >= LASTED_MS ? 0 : failures
      this.#become('backing-off')
      const pauseMs = BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)] ?? 0
      await clock.sleep(pauseMs, signal).catch(() => {}) // ended by `stop`
    }
    this.#become('ended')
  }

  /** Undefined: it could not be started. */
  async #runOnce(): Promise<ExecState | undefined> {
    const { clock, sandbox, registry } = this.#deps
    const { name, argv, cwd, environment } = this.spec
    this.#starts++
    this.#become('starting')
    const id = `svc.${name}.${Math.floor(clock.wallMs())}.${this.#starts}`
    try {
      const request = ExecRequest.parse({ argv, cwd, environment })
      this.#exec = await registry.start(() => sandbox, { id, request, isService: true })
    } catch (error) {
      if (isFailure(error)) return undefined
      throw error
    }
    if (this.#stopped.signal.aborted) void this.#exec.stop({ kind: 'ended', reason: 'stop' }, STOP_GRACE_MS)
    const over = new AbortController()
    void this.#watchHealth(over.signal)
    const end = await this.#exec.ended
    over.abort()
    return end
  }

  async #watchHealth(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const isWell = await isHealthy(this.#deps.sandbox, this.spec)
      if (over.aborted) return
      if (isWell) this.#become('healthy')
      else if (this.#status === 'healthy') this.#become('unhealthy')
      const pauseMs = this.#status === 'starting' ? PROBE_STARTING_MS : PROBE_MS
      if (isWell && this.spec.port === undefined) return
      await this.#deps.clock.sleep(pauseMs, over).catch(() => {}) // its end ends the watch
    }
  }

  #isRestarted(end: ExecState | undefined): boolean {
    switch (this.spec.restart) {
      case 'always':
        return true
      case 'on-failure':
        return end === undefined || end.status !== 'exited' || end.exitCode !== 0
      case 'never':
        return false
    }
  }

  #become(status: ServiceState['status']): void {
    if (status === this.#status) return
    this.#status = status
    this.#since = this.#deps.clock.wallMs()
    this.#deps.onChanged(this.state)
  }
}

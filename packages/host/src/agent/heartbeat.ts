import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import type { RpcRequest } from '@holdfast/protocol/rpc-table'
import type { RpcClient } from '@holdfast/rpc/rpc-client'
import type { ResidentWorkspaces } from './resident-workspaces.ts'

type Registration = RpcRequest<typeof CONTROL_CALLS, 'registerHost'>

/** After the nth time that control did not answer; the last one from then on. It may start beside this host. */
const AGAIN_MS = [25, 50, 50, 100, 100, 200, 500] as const

export interface HeartbeatDeps {
  readonly clock: Clock
  readonly control: Pick<RpcClient<typeof CONTROL_CALLS>, 'call'>
  readonly registration: Omit<Registration, 'capacity'>
  readonly capacity: () => Registration['capacity']
  readonly residents: ResidentWorkspaces
  readonly ending?: AbortSignal
}

/** Tells control that the host is there, and what runs here; ends what control wants no more. */
export class Heartbeat implements AsyncDisposable {
  readonly #deps: HeartbeatDeps
  readonly #over = new AbortController()
  readonly #ended: Promise<void>

  private constructor(deps: HeartbeatDeps, everyMs: number) {
    this.#deps = deps
    this.#ended = this.#run(everyMs)
  }

  /** Resolves once control knows the host; it is asked until it answers. Rejects as control refuses, and when the host is to end. */
  static async begin(deps: HeartbeatDeps): Promise<Heartbeat> {
    for (let failures = 0; ; failures++) {
      try {
        const request = { ...deps.registration, capacity: deps.capacity() }
        const { heartbeatMs } = await deps.control.call('registerHost', request)
        return new Heartbeat(deps, heartbeatMs)
      } catch (error) {
        if (!isFailure(error) || !error.retryable) throw error
        await deps.clock.sleep(AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)] ?? 0, deps.ending)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#ended
  }

  async #run(everyMs: number): Promise<void> {
    const { clock } = this.#deps
    while (!this.#over.signal.aborted) {
      await this.#beat()
      await clock.sleep(everyMs, this.#over.signal).catch(() => {}) // ended by the end
    }
  }

  async #beat(): Promise<void> {
    const { control, registration, capacity, residents } = this.#deps
    const workspaces = residents.all().map(({ facts }) => facts)
    try {
      const report = { host: registration.host, capacity: capacity(), workspaces }
      const { unwanted } = await control.call('reportHost', report)
      for (const workspace of unwanted) {
        const told = workspaces.find((facts) => facts.workspace === workspace)
        // What was opened since then is another incarnation, which control has not spoken of.
        if (residents.find(workspace)?.epoch === told?.epoch) void this.#end(workspace)
      }
    } catch (error) {
      if (!isFailure(error)) throw error // control misses a beat; leases go by themselves
    }
  }

  async #end(workspace: WorkspaceId): Promise<void> {
    try {
      await this.#deps.residents.close({ workspace, cause: 'termination', drainMs: 0, force: true })
    } catch (error) {
      if (!isFailure(error)) throw error // it has gone by itself
    }
  }
}

import type { WorkspaceRef } from '../browse/open-generation.ts'
import type { DrillResult } from './drill-runner.ts'
import { type DrillRequest, DrillRunner, type DrillRunnerDeps } from './drill-runner.ts'
import { DrillSchedule, type DrillScheduleDeps } from './drill-schedule.ts'

export type RunningDrillsDeps = DrillRunnerDeps & Omit<DrillScheduleDeps, 'runner'>

/** The drills of a host, until it is disposed of: those that are asked for, and its own. */
export class RunningDrills implements AsyncDisposable {
  readonly #runner: DrillRunner
  readonly #schedule: DrillSchedule
  readonly #over = new AbortController()
  readonly #ended: Promise<void>

  constructor(deps: RunningDrillsDeps) {
    this.#runner = new DrillRunner(deps)
    this.#schedule = new DrillSchedule({ ...deps, runner: this.#runner })
    this.#ended = this.#schedule.run(this.#over.signal)
  }

  /** Rejects as `DrillRunner.drill` does. */
  drill(request: DrillRequest, signal: AbortSignal): Promise<DrillResult> {
    return this.#runner.drill(request, AbortSignal.any([signal, this.#over.signal]))
  }

  noteStopped(workspace: WorkspaceRef): void {
    this.#schedule.noteStopped(workspace)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#ended
  }
}

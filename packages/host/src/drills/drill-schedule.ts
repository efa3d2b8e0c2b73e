import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import { Wakeup } from '@holdfast/generations/directory/wakeup'
import type { GenerationIndex, GenerationRow } from '@holdfast/generations/index/generation-index'
import type { ReportedEvent } from '@holdfast/protocol/control-calls'
import { WorkspaceId } from '@holdfast/protocol/identifiers'
import type { WorkspaceRef } from '../browse/open-generation.ts'
import { chooseDrill } from './choose-drill.ts'
import type { DrillResult, DrillRunner } from './drill-runner.ts'

/** Reports that wait for somebody to take them; the oldest goes first when there are more. */
const REPORTS_MAX = 1000

export interface DrillPolicy {
  /** How old the proof of a newest generation may become. */
  readonly everyMs: number
  /** From one look for what is due to the next. */
  readonly lookEveryMs: number
  /** Until a generation is tried again that the store or the disk did not let us prove. */
  readonly retryMs: number
  /** Drills that nobody waits for take at most one part in so many of the time. */
  readonly timeShare: number
}

const DRILL_POLICY: DrillPolicy = {
  everyMs: 24 * 3600_000,
  lookEveryMs: 60_000,
  retryMs: 10 * 60_000,
  timeShare: 20,
}

export interface DrillScheduleDeps {
  readonly runner: Pick<DrillRunner, 'drill'>
  readonly index: GenerationIndex
  readonly clock: Clock
  readonly randomness: Randomness
  /** Those that this host runs, and those whose volume it keeps. */
  readonly workspaces: () => Promise<readonly WorkspaceRef[]>
  /** Resolves once the event is kept; one that rejects is given again, unchanged. */
  readonly report: (event: ReportedEvent) => Promise<void>
  /** Told of failures that are defects. */
  readonly onDefect: (failure: unknown) => void
  readonly policy?: Partial<DrillPolicy>
}

/** Proves the generation of each stop, and in between the newest of all workspaces of the host, in turn. */
export class DrillSchedule {
  readonly #deps: DrillScheduleDeps
  readonly #policy: DrillPolicy
  readonly #wakeup: Wakeup
  readonly #stopped = new Map<string, WorkspaceRef>()
  readonly #restsUntilMs = new Map<string, number>()
  readonly #reports: ReportedEvent[] = []
  /** Nothing that nobody waits for is drilled before, by the monotonic clock. */
  #idleUntilMs = 0

  constructor(deps: DrillScheduleDeps) {
    this.#deps = deps
    this.#policy = { ...DRILL_POLICY, ...deps.policy }
    this.#wakeup = new Wakeup(deps.clock)
  }

  /** Call when a workspace has stopped with a new generation: that is proven next. */
  noteStopped(workspace: WorkspaceRef): void {
    this.#stopped.set(workspace.workspace, workspace)
    this.#wakeup.ring()
  }

  /** Resolves soon after the signal. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wakeup.ring())
    while (!signal.aborted) {
      try {
        await this.#sendReports()
        if (await this.#drillNext(signal)) continue
      } catch (error) {
        if (!isFailure(error)) this.#deps.onDefect(error)
      }
      await this.#wakeup.sleep(this.#policy.lookEveryMs)
    }
  }

  /** False when nothing is due. */
  async #drillNext(signal: AbortSignal): Promise<boolean> {
    const [stopped] = this.#stopped.values()
    if (stopped !== undefined) {
      this.#stopped.delete(stopped.workspace)
      const head = await this.#head(stopped)
      if (head?.verifiedAt === null) await this.#drill(stopped, head, signal)
      return true
    }
    const { clock } = this.#deps
    const startedMs = clock.monotonicMs()
    if (startedMs < this.#idleUntilMs) return false
    const due = await this.#due()
    if (due === undefined) return false
    await this.#drill(due.workspace, due.head, signal)
    const endedMs = clock.monotonicMs()
    this.#idleUntilMs = endedMs + (endedMs - startedMs) * (this.#policy.timeShare - 1)
    return true
  }

  async #due(): Promise<{ readonly workspace: WorkspaceRef; readonly head: GenerationRow } | undefined> {
    const heads = new Map<GenerationRow, WorkspaceRef>()
    for (const workspace of await this.#deps.workspaces()) {
      const head = await this.#head(workspace)
      if (head) heads.set(head, workspace)
    }
    const known = new Set([...heads.keys()].map(({ id }) => id))
    for (const id of this.#restsUntilMs.keys()) if (!known.has(id)) this.#restsUntilMs.delete(id)
    const times = {
      nowMs: this.#deps.clock.wallMs(),
      everyMs: this.#policy.everyMs,
      restsUntilMs: this.#restsUntilMs,
    }
    const head = chooseDrill([...heads.keys()], times)
    const workspace = head && heads.get(head)
    return workspace && { workspace, head }
  }

  /** Undefined for a workspace without a generation of its own, and for one that is gone. */
  async #head({ workspace }: WorkspaceRef): Promise<GenerationRow | undefined> {
    try {
      const { head } = await this.#deps.index.workspace(workspace)
      return head === null ? undefined : await this.#deps.index.generation(head)
    } catch (error) {
      if (isFailure(error, 'not-found')) return undefined
      throw error
    }
  }

  async #drill(workspace: WorkspaceRef, head: GenerationRow, signal: AbortSignal): Promise<void> {
    const { everyMs, retryMs } = this.#policy
    let restMs = everyMs
    try {
      const result = await this.#deps.runner.drill({ ...workspace, generation: head.id }, signal)
      this.#note(workspace, result)
    } catch (error) {
      if (signal.aborted) return
      restMs = isFailure(error) && !error.retryable ? everyMs : retryMs
      if (!isFailure(error)) this.#deps.onDefect(error)
      else if (isFailure(error, 'unsupported-here'))
        this.#note(workspace, { generation: head.id, outcome: 'unchecked', detail: error.message, tookMs: 0 })
    }
    this.#restsUntilMs.set(head.id, this.#deps.clock.wallMs() + restMs)
    await this.#sendReports()
  }

  #note(
    { workspace }: WorkspaceRef,
    result: Omit<DrillResult, 'generation' | 'outcome'> & {
      readonly generation: string
      readonly outcome: DrillResult['outcome'] | 'unchecked'
    },
  ): void {
    const { generation, outcome, detail, tookMs } = result
    if (this.#reports.length >= REPORTS_MAX) this.#reports.shift()
    this.#reports.push({
      id: newIdentifier('drill', this.#deps.randomness),
      workspace: WorkspaceId.parse(workspace),
      source: 'host',
      type: 'drill_result',
      at: this.#deps.clock.wallMs(),
      payload: { generation, outcome, detail, took_ms: tookMs },
    })
  }

  /** In order; what is not taken stays for the next time. */
  async #sendReports(): Promise<void> {
    for (let [next] = this.#reports; next; [next] = this.#reports) {
      await this.#deps.report(next)
      this.#reports.shift()
    }
  }
}

import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import { isDue } from '../domain/due.ts'
import { isSilent, lostHost } from '../domain/host.ts'
import type { Deps } from '../operations/context.ts'
import { close } from './close.ts'
import { provision } from './provision.ts'
import { remove } from './remove.ts'
import { removeOld } from './remove-old.ts'
import { watchLive } from './watch-live.ts'

const DUE_MAX = 256
const REPORT_KEPT_MS = 24 * 3600 * 1000
const HOUSEKEEPING_MS = 60_000

export interface ReconcilerOptions {
  /** What is due is looked for so often; a commit here wakes at once. */
  readonly sweepMs: number
  /** Told of failures that are defects. */
  readonly onDefect: (error: unknown, workspace: string | null) => void
}

/**
 * Brings every workspace to where its record says it should be. It keeps nothing of its own: a step reads the record,
 * asks a host for what is missing, and writes what came of it, so that it may end anywhere and begin again.
 */
export class Reconciler implements AsyncDisposable {
  readonly #deps: Deps
  readonly #options: ReconcilerOptions
  readonly #stopping = new AbortController()
  /** Steps under way; true: look again once it is over. */
  readonly #steps = new Map<WorkspaceId, { again: boolean; readonly done: Promise<void> }>()
  readonly #unsubscribe: () => void
  readonly #loop: Promise<void>
  #cleanedAt = 0
  stepsTaken = 0

  constructor(deps: Deps, options: ReconcilerOptions) {
    this.#deps = deps
    this.#options = options
    this.#unsubscribe = deps.store.onCommitted(({ workspaces }) => {
      for (const id of workspaces) this.kick(id as WorkspaceId)
    })
    this.#loop = this.#run()
  }

  /** Looks at a workspace now. */
  kick(id: WorkspaceId): void {
    if (this.#stopping.signal.aborted) return
    const step = this.#steps.get(id)
    if (step) {
      step.again = true
      return
    }
    this.#steps.set(id, { again: false, done: this.#step(id) })
  }

  /** Waits for no step: whoever comes next begins where this one was. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    this.#unsubscribe()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await this.#sweep()
      } catch (error) {
        if (!signal.aborted) this.#options.onDefect(error, null)
      }
      await this.#deps.clock.sleep(this.#options.sweepMs, signal).catch(() => undefined)
    }
  }

  async #sweep(): Promise<void> {
    const { store, clock } = this.#deps
    await this.#loseSilentHosts()
    for (const id of await store.read.workspaces.due(clock.wallMs(), DUE_MAX)) this.kick(id)
    for (const { id } of await store.read.workspaces.live()) this.kick(id)
    await this.#clean()
  }

  async #step(id: WorkspaceId): Promise<void> {
    try {
      await this.#take(id)
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#options.onDefect(error, id)
    }
    const again = this.#steps.get(id)?.again ?? false
    this.#steps.delete(id)
    if (again) this.kick(id)
  }

  async #take(id: WorkspaceId): Promise<void> {
    const deps = this.#deps
    const record = await deps.store.read.workspaces.byId(id)
    if (record === undefined) return
    const mayStep = isDue(record.dueAt, deps.clock.wallMs())
    if (record.removedAt !== null) return mayStep ? await this.#counted(remove(deps, record)) : undefined
    switch (record.status) {
      case 'provisioning':
        return mayStep ? await this.#counted(provision(deps, record)) : undefined
      case 'stopping':
        return mayStep ? await this.#counted(close(deps, record)) : undefined
      case 'idle':
      case 'busy':
        return await watchLive(deps, record)
      case 'stopped':
      case 'failed':
    }
  }

  async #counted(step: Promise<void>): Promise<void> {
    this.stepsTaken++
    await step
  }

  async #loseSilentHosts(): Promise<void> {
    const { store, clock, settings } = this.#deps
    for (const host of await store.read.hosts.list()) {
      if (host.status === 'lost' || !isSilent(host, clock.wallMs(), settings.hostSilenceMs)) continue
      await store.write(async (changes) => {
        const current = await changes.hosts.byId(host.id)
        if (current && isSilent(current, clock.wallMs(), settings.hostSilenceMs))
          await changes.hosts.put(lostHost(current))
      })
    }
  }

  async #clean(): Promise<void> {
    const nowMs = this.#deps.clock.wallMs()
    if (nowMs - this.#cleanedAt < HOUSEKEEPING_MS) return
    this.#cleanedAt = nowMs
    await this.#deps.store.write(async (changes) => {
      await changes.answers.removeExpired(nowMs)
      await changes.reports.removeBefore(nowMs - REPORT_KEPT_MS)
    })
    await removeOld(this.#deps, this.#stopping.signal)
  }
}

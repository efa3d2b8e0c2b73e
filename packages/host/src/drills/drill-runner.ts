import { mkdirSync, rmSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import { refuseWithoutRoom } from '@holdfast/generations/directory/drill-chore'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import {
  type DrillOutcome,
  drillGeneration,
  type DrillDeps as EngineDeps,
} from '@holdfast/generations/maintenance/drill-generation'
import { StoppableObjectStore } from '@holdfast/generations/store/stoppable-object-store'
import type { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { GenerationId } from '@holdfast/protocol/identifiers'
import type { RpcResponse } from '@holdfast/protocol/rpc-table'
import { GenerationShelf, type WorkspaceRef } from '../browse/open-generation.ts'
import { Slots } from '../slots.ts'

const WAITING_MAX = 32

export interface DrillRunnerDeps extends Omit<EngineDeps, 'holdfs' | 'threads' | 'unfinished'> {
  /** A directory that nothing else uses, on a disk with room for a workspace. */
  readonly scratch: string
  /** The path of the directory inside every sandbox. */
  readonly mountPath: string
}

export interface DrillRequest extends WorkspaceRef {
  /** Null: the newest. */
  readonly generation: string | null
}

export type DrillResult = RpcResponse<typeof HOST_CALLS, 'drill'>

/**
 * Proves generations by restoring them as a fresh host would, one at a time, with one thread and a native companion of
 * its own at the lowest priority: commits go first.
 */
export class DrillRunner {
  readonly #deps: DrillRunnerDeps
  readonly #scratch: string
  readonly #shelf: GenerationShelf
  readonly #slots = new Slots({ atOnce: 1, waiting: WAITING_MAX })

  /** What a process before was drilling is removed. */
  constructor(deps: DrillRunnerDeps) {
    this.#deps = deps
    this.#scratch = join(deps.scratch, 'drills')
    this.#shelf = new GenerationShelf(deps)
    rmSync(this.#scratch, { recursive: true, force: true })
    // A drill that makes the mount point removes it again, under whoever else has something mounted there.
    if (deps.isRoot) mkdirSync(deps.mountPath, { recursive: true })
  }

  /**
   * Rejects with `not-found`, with `unsupported-here` for a database that can be opened by nobody here, with
   * `volume-full`, `overloaded` or `gc-expired`, and as the store does: none of these says that anything is damaged.
   */
  async drill(request: DrillRequest, signal: AbortSignal): Promise<DrillResult> {
    return await this.#slots.during(async () => {
      signal.throwIfAborted()
      const generation = await this.#shelf.find(request, request.generation ?? (await this.#newest(request)))
      const startedMs = this.#deps.clock.monotonicMs()
      const outcome = await this.#restore(request.org, generation, signal)
      if (outcome.kind === 'failed') await this.#refuseDropped(generation)
      const tookMs = this.#deps.clock.monotonicMs() - startedMs
      return { generation: GenerationId.parse(generation.id), ...verdictOf(outcome), tookMs }
    })
  }

  async #newest({ workspace }: WorkspaceRef): Promise<string> {
    const { head, forkedFrom } = await this.#deps.index.workspace(workspace)
    const newest = head ?? forkedFrom
    if (newest !== null) return newest
    throw new Failure('not-found', 'the workspace has no generation to prove', { workspace })
  }

  async #restore(org: string, generation: GenerationRow, signal: AbortSignal): Promise<DrillOutcome> {
    const { store, clock, mountPath } = this.#deps
    const scratch = this.#scratch
    mkdirSync(scratch, { recursive: true, mode: 0o700 })
    refuseWithoutRoom(generation, scratch)
    await using holdfs = await Holdfs.start({ clock })
    setPriority(holdfs.pid, constants.priority.PRIORITY_LOW)
    return await drillGeneration(
      { ...this.#deps, holdfs, threads: 1, store: new StoppableObjectStore(store, signal) },
      { org, generation, scratch, mountPath },
    )
  }

  /** What a drill says of a generation that retention dropped meanwhile is no verdict. */
  async #refuseDropped({ id, sequence }: GenerationRow): Promise<void> {
    if ((await this.#deps.index.generation(id)).retained) return
    throw new Failure('gc-expired', `generation ${sequence} was dropped while it was drilled`, { id })
  }
}

function verdictOf(outcome: DrillOutcome): Pick<DrillResult, 'outcome' | 'detail'> {
  switch (outcome.kind) {
    case 'verified': {
      const { files, bytes, databases } = outcome
      const rows = databases.reduce((sum, database) => sum + database.rows, 0)
      const detail = `${files} files, ${bytes} bytes, ${databases.length} databases with ${rows} rows`
      return { outcome: 'verified', detail }
    }
    case 'failed': {
      const instead = outcome.newestIntact ?? 'none'
      return { outcome: 'damaged', detail: `${outcome.problem}; the newest whole generation: ${instead}` }
    }
    case 'unchecked': {
      const left = outcome.databases.flatMap(({ path, notChecked }) =>
        notChecked ? [`${path}: ${notChecked}`] : [],
      )
      throw new Failure('unsupported-here', `not every database can be opened here: ${left.join('; ')}`)
    }
  }
}

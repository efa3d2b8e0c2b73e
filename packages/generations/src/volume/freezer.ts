import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { ByteString } from '../format/byte-string.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type { Freezer } from './volume.ts'

/** A workload that cannot be frozen within this time is let go: it has a process that does not react. */
export const FREEZE_MS_MAX = 2000
/** Each round stops what the processes stopped in the round before had started meanwhile. */
const ROUNDS_MAX = 100
/** As many as the native helper takes at once. */
const PIDS_PER_CALL_MAX = 4096

/** Lets cgroups and processes run again, whoever stopped them. */
export async function thaw(
  holdfs: Pick<Holdfs, 'thaw'>,
  cgroups: readonly ByteString[],
  pids: readonly number[],
): Promise<void> {
  if (cgroups.length > 0) await holdfs.thaw({ cgroups })
  for (let at = 0; at < pids.length; at += PIDS_PER_CALL_MAX)
    await holdfs.thaw({ pids: pids.slice(at, at + PIDS_PER_CALL_MAX) })
}

export interface FreezeDeps {
  readonly holdfs: Pick<Holdfs, 'freeze' | 'thaw'>
  readonly clock: Clock
}

/** Everything that a freezer names stands still, until this is released or the native helper ends. */
export class Freeze implements AsyncDisposable {
  readonly #deps: FreezeDeps
  readonly #cgroups: ByteString[] = []
  readonly #pids: number[] = []
  readonly #beganAt: number
  #frozenMs: number | undefined

  private constructor(deps: FreezeDeps) {
    this.#deps = deps
    this.#beganAt = deps.clock.monotonicMs()
  }

  /**
   * All of it or nothing: rejects with `source-failed` (details.errno ETIMEDOUT: something does not stop; EDEADLK: this
   * process would freeze itself), `no-permission` or `helper-failed`. What others froze before stays theirs.
   */
  static async take(deps: FreezeDeps, freezer: Freezer): Promise<Freeze> {
    const freeze = new Freeze(deps)
    try {
      for (const cgroup of freezer.cgroups) await freeze.#freezeCgroup(cgroup)
      await freeze.#stopAll(freezer)
      return freeze
    } catch (error) {
      await freeze.release()
      throw error
    }
  }

  /** How long it has lasted; final once it is released. */
  get frozenMs(): number {
    return this.#frozenMs ?? this.#deps.clock.monotonicMs() - this.#beganAt
  }

  /** Everything runs again when it resolves. Called a second time, it is without effect. */
  async release(): Promise<void> {
    if (this.#frozenMs !== undefined) return
    try {
      await thaw(this.#deps.holdfs, this.#cgroups, this.#pids)
    } finally {
      this.#frozenMs = this.frozenMs
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  async #freezeCgroup(cgroup: ByteString): Promise<void> {
    try {
      const options = { cgroups: [cgroup], freezeTimeoutMs: FREEZE_MS_MAX }
      const { alreadyFrozen } = await this.#deps.holdfs.freeze(options)
      if (alreadyFrozen === 0) this.#cgroups.push(cgroup)
    } catch (error) {
      // A cgroup that is gone has no process left.
      if (!isFailure(error, 'not-found')) throw error
    }
  }

  async #stopAll(freezer: Freezer): Promise<void> {
    const stopped = new Set<number>()
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const fresh = freezer.pids().filter((pid) => !stopped.has(pid))
      if (fresh.length === 0) return
      for (let at = 0; at < fresh.length; at += PIDS_PER_CALL_MAX) {
        const pids = fresh.slice(at, at + PIDS_PER_CALL_MAX)
        await this.#deps.holdfs.freeze({ pids, freezeTimeoutMs: FREEZE_MS_MAX })
        for (const pid of pids) stopped.add(pid)
        this.#pids.push(...pids)
      }
    }
    throw new Failure('source-failed', 'the command starts processes faster than they can be stopped', {
      errno: 'ETIMEDOUT',
      rounds: ROUNDS_MAX,
    })
  }
}

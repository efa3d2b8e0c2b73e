import { isFailure } from '@holdfast/base/failure'
import type { Watchdog, Watched } from './watchdog.ts'

/** What keeps deadlines. */
export type DeadlineKeeper = Pick<Watchdog, 'watch' | 'extend' | 'forget'>

/** One sandbox as the watchdog knows it, from before its start until after its end. */
export class WatchedSandbox {
  readonly #watchdog: DeadlineKeeper
  readonly #name: string

  private constructor(watchdog: DeadlineKeeper, name: string) {
    this.#watchdog = watchdog
    this.#name = name
  }

  /** Undefined where there is no cgroup to kill it by: its first process alone keeps the deadline then. */
  static async begin(watchdog: DeadlineKeeper, watched: Watched): Promise<WatchedSandbox | undefined> {
    if (watched.cgroups.length === 0) return undefined
    await watchdog.watch(watched)
    return new WatchedSandbox(watchdog, watched.name)
  }

  /** What is not extended is killed too early, never too late. */
  extend(deadlineBootMs: number): void {
    this.#watchdog.extend(this.#name, deadlineBootMs).catch(() => {}) // of one that is being killed, or told anew soon
  }

  /** Whether its deadline ended it: the watchdog would extend one that has ended by itself. */
  async isKilled(deadlineBootMs: number): Promise<boolean> {
    try {
      await this.#watchdog.extend(this.#name, deadlineBootMs)
      return false
    } catch (error) {
      return isFailure(error, 'lease-lost', 'not-found')
    }
  }

  /** Nothing of it runs any more. */
  async end(): Promise<void> {
    try {
      await this.#watchdog.forget(this.#name)
    } catch (error) {
      if (!isFailure(error, 'helper-failed')) throw error // what it finds under that name is empty
    }
  }
}

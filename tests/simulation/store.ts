import { Failure } from '@holdfast/base/failure'
import type { SimulatedProcess } from './process.ts'
import type { Draws, Scheduler } from './scheduler.ts'
import type { Swarm } from './swarm.ts'

const FAST_MS = [1, 20] as const
const SLOW_MS = [200, 20_000] as const

/** An object store that loses puts, or the answers to them, or takes its time over them. */
export class SimulatedStore {
  readonly #scheduler: Scheduler
  readonly #swarm: Swarm
  readonly #draws: Draws
  readonly #objects = new Map<string, readonly string[]>()
  isDown = false
  isHealed = false

  constructor(scheduler: Scheduler, swarm: Swarm) {
    this.#scheduler = scheduler
    this.#swarm = swarm
    this.#draws = scheduler.draws('store')
  }

  /** What is stored, without asking. */
  peek(key: string): readonly string[] | undefined {
    return this.#objects.get(key)
  }

  /** Durable when it resolves. Rejects with `store-unavailable`; it may be durable all the same. */
  async put(process: SimulatedProcess, key: string, items: readonly string[]): Promise<void> {
    const { putLost, putUnanswered } = this.#swarm
    const isLost = this.#fails(putLost) || this.isDown
    const isUnanswered = this.#fails(putUnanswered)
    const isSlow = this.#fails(this.#swarm.slowStore)
    const ms = this.#draws.within(isSlow ? SLOW_MS : FAST_MS)
    // It arrives without its sender, who may be dead by then.
    if (!isLost) this.#scheduler.after(ms / 2, () => this.#objects.set(key, items))
    await process.pass(ms)
    if (isLost || isUnanswered) throw new Failure('store-unavailable', `put of ${key}`)
  }

  /** Rejects with `store-unavailable` and `object-missing`. */
  async get(process: SimulatedProcess, key: string): Promise<readonly string[]> {
    const isLost = this.#fails(this.#swarm.putLost) || this.isDown
    await process.pass(this.#draws.within(this.#fails(this.#swarm.slowStore) ? SLOW_MS : FAST_MS))
    if (isLost) throw new Failure('store-unavailable', `get of ${key}`)
    const items = this.#objects.get(key)
    if (items === undefined) throw new Failure('object-missing', `no ${key}`)
    return items
  }

  #fails(rate: number): boolean {
    return !this.isHealed && this.#draws.chance(rate)
  }
}

import type { Scheduler } from './scheduler.ts'

/**
 * A process as its environment sees it. What is to wake it waits while it is stopped, and is forgotten once it is dead:
 * its code never runs again, since nothing else can wake it.
 */
export class SimulatedProcess {
  readonly #scheduler: Scheduler
  readonly #waiting: (() => void)[] = []
  readonly #mourners: (() => void)[] = []
  #stops = 0
  #isDead = false

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  get isDead(): boolean {
    return this.#isDead
  }

  get isStopped(): boolean {
    return this.#stops > 0
  }

  /** Runs something in it, now or when it goes on. */
  wake(run: () => void): void {
    if (this.#isDead) return
    if (this.isStopped) this.#waiting.push(run)
    else run()
  }

  /** As often as `go` is called before it runs again. */
  stop(): void {
    this.#stops++
  }

  go(): void {
    this.#stops--
    if (this.isStopped) return
    for (const run of this.#waiting.splice(0)) this.#scheduler.after(0, () => this.wake(run))
  }

  kill(): void {
    this.#isDead = true
    this.#waiting.length = 0
    for (const tell of this.#mourners.splice(0)) tell()
  }

  /** Called when it is killed, outside of it. */
  onKill(tell: () => void): void {
    this.#mourners.push(tell)
  }

  /** What takes some time outside of it. */
  async pass(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.#scheduler.after(ms, () => this.wake(resolve)))
  }
}

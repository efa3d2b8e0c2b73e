import { Failure, failureToWire } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import type { SimulatedProcess } from './process.ts'
import type { Draws, Scheduler } from './scheduler.ts'
import type { Swarm } from './swarm.ts'

/** Where messages come from and go to. */
export interface Node {
  readonly name: string
  readonly process: SimulatedProcess
  /** False while nothing answers there. */
  readonly isListening: boolean
}

export interface SentCall<T> {
  readonly from: Node
  readonly to: Node
  readonly name: string
  readonly timeoutMs: number
  /** What it means that nobody answers there. */
  readonly unreachable: FailureCode
  readonly serve: () => Promise<T>
}

const DELAY_MS = [0.2, 5] as const
const LATE_MS = [50, 25_000] as const
/** How soon a side hears that its connection has broken. */
const BREAK_MS = [1, 3000] as const

/** Carries calls between nodes; may lose, double and delay each message, and cut nodes off from each other. */
export class Network {
  readonly #scheduler: Scheduler
  readonly #swarm: Swarm
  readonly #draws: Draws
  readonly #onDefect: (error: unknown, call: string) => void
  /** What waits, by `from to`: one direction each. */
  readonly #cut = new Map<string, (() => void)[]>()
  isHealed = false

  constructor(scheduler: Scheduler, swarm: Swarm, onDefect: (error: unknown, call: string) => void) {
    this.#scheduler = scheduler
    this.#swarm = swarm
    this.#draws = scheduler.draws('network')
    this.#onDefect = onDefect
  }

  cut(from: string, to: string): void {
    const way = `${from} ${to}`
    if (!this.#cut.has(way)) this.#cut.set(way, [])
  }

  join(from: string, to: string): void {
    const way = `${from} ${to}`
    const held = this.#cut.get(way) ?? []
    this.#cut.delete(way)
    for (const deliver of held) this.#scheduler.after(this.#draws.within(BREAK_MS), deliver)
  }

  heal(): void {
    this.isHealed = true
    for (const way of [...this.#cut.keys()]) {
      const [from = '', to = ''] = way.split(' ')
      this.join(from, to)
    }
  }

  /**
   * Rejects with the failure that the other side met, with `unreachable` once the connection broke, or with `timed-out`.
   * A cut breaks no connection: what was sent arrives once it is joined.
   */
  call<T>(call: SentCall<T>): Promise<T> {
    const { from, to, name, timeoutMs, unreachable } = call
    const caller = from.process
    return new Promise<T>((resolve, reject) => {
      const timeout = this.#scheduler.after(timeoutMs, () =>
        settle(() => reject(new Failure('timed-out', `${name}: no answer within ${timeoutMs} ms`))),
      )
      const settle = (how: () => void) =>
        caller.wake(() => {
          timeout.cancel()
          how()
        })
      const broken = () =>
        settle(() => reject(new Failure(unreachable, `${name}: ${to.name} does not answer`)))
      const path = { there: { from, to, broken }, back: { from: to, to: from, broken } }
      this.#send(path.there, () => {
        const server = to.process
        if (!to.isListening) return this.#send(path.back, broken)
        server.wake(() => {
          this.#scheduler.log(`${from.name} → ${to.name} ${name}`)
          server.onKill(() => this.#break(broken))
          call.serve().then(
            (answer) => this.#send(path.back, () => settle(() => resolve(answer))),
            (error: unknown) => {
              if (!(error instanceof Failure)) this.#onDefect(error, name)
              const { code, message, details } = failureToWire(error)
              this.#scheduler.log(`${to.name} → ${from.name} ${name}: ${code} ${message}`)
              this.#send(path.back, () => settle(() => reject(new Failure(code, message, details))))
            },
          )
        })
      })
    })
  }

  #send({ from, to, broken }: Way, deliver: () => void): void {
    const draws = this.#draws
    const { drop, duplicate, late } = this.#swarm
    if (from.process.isDead) return
    const copies = !this.isHealed && draws.chance(duplicate) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (!this.isHealed && draws.chance(drop)) {
        this.#break(broken)
        continue
      }
      const isLate = !this.isHealed && draws.chance(late)
      this.#scheduler.after(draws.within(isLate ? LATE_MS : DELAY_MS), () => {
        const held = this.#cut.get(`${from.name} ${to.name}`)
        if (held) held.push(deliver)
        else deliver()
      })
    }
  }

  #break(broken: () => void): void {
    this.#scheduler.after(this.#draws.within(BREAK_MS), broken)
  }
}

interface Way {
  readonly from: Node
  readonly to: Node
  readonly broken: () => void
}

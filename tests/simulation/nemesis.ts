import type { Database } from './database.ts'
import type { Host } from './host.ts'
import type { Network } from './network.ts'
import type { Draws, Scheduler } from './scheduler.ts'
import type { SimulatedStore } from './store.ts'
import type { Swarm } from './swarm.ts'

const OUTAGE_MS = [100, 40_000] as const

export interface NemesisDeps {
  readonly scheduler: Scheduler
  readonly swarm: Swarm
  readonly network: Network
  readonly database: Database
  readonly store: SimulatedStore
  readonly hosts: readonly [Host, ...Host[]]
}

/** Makes things go wrong until it is told to stop; then it mends what it broke. */
export class Nemesis {
  readonly #deps: NemesisDeps
  readonly #draws: Draws
  /** How what is broken now is mended. */
  readonly #broken = new Map<string, () => void>()
  #isOver = false

  constructor(deps: NemesisDeps) {
    this.#deps = deps
    this.#draws = deps.scheduler.draws('nemesis')
    const { swarm } = deps
    deps.database.onRelease = (host) => this.#killAtRelease(host)
    this.#repeat(swarm.pauseEveryMs, () => this.#pause())
    this.#repeat(swarm.killEveryMs, () => this.#killAgent())
    this.#repeat(swarm.suspendEveryMs, () => this.#suspend())
    this.#repeat(swarm.rebootEveryMs, () => this.#reboot())
    this.#repeat(swarm.partitionEveryMs, () => this.#partition())
    this.#repeat(swarm.databaseEveryMs, () => this.#stopDatabase())
    this.#repeat(swarm.storeEveryMs, () => this.#stopStore())
    this.#repeat(swarm.sandboxEveryMs, () => this.#endSandbox())
  }

  heal(): void {
    const { scheduler, network, store } = this.#deps
    scheduler.log('healed')
    this.#isOver = true
    for (const mend of [...this.#broken.values()]) mend()
    network.heal()
    store.isHealed = true
  }

  #repeat(everyMs: number, strike: () => void): void {
    if (!Number.isFinite(everyMs)) return
    this.#deps.scheduler.after(this.#draws.between(0.2, 1.8) * everyMs, () => {
      if (this.#isOver) return
      strike()
      this.#repeat(everyMs, strike)
    })
  }

  /** Breaks something for a while, unless it is broken already. */
  #break(what: string, breakIt: () => void, mend: () => void): void {
    if (this.#broken.has(what)) return
    const { scheduler } = this.#deps
    scheduler.log(`${what} breaks`)
    breakIt()
    const mendOnce = () => {
      if (!this.#broken.delete(what)) return
      scheduler.log(`${what} mends`)
      mend()
    }
    this.#broken.set(what, mendOnce)
    // Short ones are as likely as long ones: both sides of each timeout are met.
    const [min, max] = OUTAGE_MS
    scheduler.after(min * (max / min) ** this.#draws.numbers(), mendOnce)
  }

  #host(): Host {
    return this.#draws.pick([...this.#deps.hosts])
  }

  #pause(): void {
    const host = this.#host()
    const { process } = host.machine
    this.#break(
      `agent of ${host.name}`,
      () => process.stop(),
      () => process.go(),
    )
  }

  #killAgent(): void {
    this.#kill(this.#host())
  }

  #kill(host: Host): void {
    this.#break(
      `life of ${host.name}`,
      () => host.kill(),
      () => void host.start(),
    )
  }

  /** While what belongs to a lease that has gone is still being ended. */
  #killAtRelease(id: string): void {
    const { scheduler, swarm, hosts } = this.#deps
    const host = hosts.find((each) => each.id === id)
    if (host === undefined || this.#isOver || !this.#draws.chance(swarm.killAtRelease)) return
    scheduler.after(this.#draws.between(0, 40), () => {
      if (!this.#isOver) this.#kill(host)
    })
  }

  #suspend(): void {
    const { machine, name } = this.#host()
    if (!machine.isRunning) return
    this.#break(
      `wake of ${name}`,
      () => machine.suspend(),
      () => machine.resume(),
    )
  }

  #reboot(): void {
    const host = this.#host()
    this.#break(
      `life of ${host.name}`,
      () => host.machine.powerOff(),
      () => {
        host.machine.powerOn()
        void host.start()
      },
    )
  }

  #partition(): void {
    const { network, hosts, database } = this.#deps
    const names = [...hosts.map(({ name }) => name), database.name]
    const one = this.#draws.pick([database.name, ...names])
    const cut = names.filter((name) => name !== one && this.#draws.chance(0.6))
    const isOneWay = this.#draws.chance(0.3)
    for (const other of cut)
      for (const [from, to] of isOneWay
        ? [[one, other]]
        : [
            [one, other],
            [other, one],
          ])
        if (from && to)
          this.#break(
            `${from} to ${to}`,
            () => network.cut(from, to),
            () => network.join(from, to),
          )
  }

  #stopDatabase(): void {
    const { database } = this.#deps
    const isRebooted = this.#draws.chance(0.3)
    this.#break(
      'database',
      () => database.down(),
      () => database.up({ isRebooted }),
    )
  }

  #stopStore(): void {
    const { store } = this.#deps
    this.#break(
      'store',
      () => {
        store.isDown = true
      },
      () => {
        store.isDown = false
      },
    )
  }

  /** The user's processes end by themselves. */
  #endSandbox(): void {
    const [unit] = this.#host().machine.units.values()
    unit?.end()
  }
}

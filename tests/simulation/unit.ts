import { Failure } from '@holdfast/base/failure'
import type { GuestAnswer, GuestCall, Sandbox, StartRequest } from '@holdfast/sandbox/runtime'
import type { DiskVolume, Machine, RunningUnit } from './machine.ts'
import type { Oracle } from './oracle.ts'
import type { Draws, Scheduler } from './scheduler.ts'

const TICK_MS = [150, 900] as const
/** A tick asks for a sync so often. */
const SYNC_CHANCE = 0.03

export interface UnitDeps {
  readonly scheduler: Scheduler
  readonly machine: Machine
  readonly oracle: Oracle
  readonly host: string
  /** Whether a watchdog ends it at its deadline. */
  readonly isWatched: boolean
  /** Whether the agent has ended its commands and services for a last commit. */
  readonly isStopped: (workspace: string) => boolean
}

/**
 * The user's processes in one sandbox. They write on while their machine runs, whatever happens to the agent, until
 * they are frozen, killed, or their watchdog finds that their deadline has passed.
 */
export class Unit implements RunningUnit {
  readonly workspace: string
  readonly epoch: number
  readonly volume: DiskVolume
  readonly cgroup: string
  readonly ended: Promise<void>
  isFrozen = false
  deadlineBootMs: number
  answer: ((call: GuestCall) => Promise<GuestAnswer>) | undefined
  readonly #deps: UnitDeps
  readonly #draws: Draws
  readonly #end: () => void
  #isEnded = false
  #ticks = 0

  constructor(deps: UnitDeps, of: { id: string; workspace: string; epoch: number; deadlineBootMs: number }) {
    const { machine, scheduler } = deps
    this.#deps = deps
    this.workspace = of.workspace
    this.epoch = of.epoch
    this.cgroup = of.id
    this.deadlineBootMs = of.deadlineBootMs
    this.#draws = scheduler.draws(of.id)
    this.volume = machine.volumes.get(of.workspace) ?? { items: [], clean: undefined }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    const { process } = machine
    this.#end = () => scheduler.after(this.#draws.between(1, 20), () => process.wake(resolve))
    deps.oracle.noteBegin(this)
    this.#next()
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Of all that it did, in units of its own. */
  get cpuNs(): number {
    return this.#ticks
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#end()
  }

  #next(): void {
    this.#deps.scheduler.after(this.#draws.within(TICK_MS), () => {
      if (this.#isEnded) return
      this.#tick()
      this.#next()
    })
  }

  #tick(): void {
    const { machine, oracle, scheduler, isWatched, isStopped } = this.#deps
    if (!machine.isRunning) return
    // The watchdog is what a machine that wakes up runs first.
    if (isWatched && machine.bootMs() >= this.deadlineBootMs) {
      scheduler.log(`${machine.name} watchdog ends ${this.workspace}@${this.epoch}`)
      this.end()
      return
    }
    if (this.isFrozen || isStopped(this.workspace)) return
    const item = `${this.workspace}@${this.epoch}#${this.#ticks++}`
    oracle.noteTick(this, this.#deps.host)
    this.volume.items = [...this.volume.items, item]
    oracle.noteWritten(this.workspace, this.volume.items)
    if (this.answer && !machine.process.isDead && this.#draws.chance(SYNC_CHANCE)) this.#sync(this.answer)
  }

  #sync(answer: (call: GuestCall) => Promise<GuestAnswer>): void {
    const { machine, oracle } = this.#deps
    const { items } = this.volume
    machine.process.wake(() => {
      answer({ kind: 'sync' }).then(
        ({ exitCode }) => exitCode === 0 && oracle.noteAcknowledged(this.workspace, items),
        (error: unknown) => oracle.noteDefect(error, 'guest sync'),
      )
    })
  }
}

/** What the agent sees of it. */
export function sandboxOf(unit: Unit, { machine }: UnitDeps, request: StartRequest): Sandbox {
  const { process } = machine
  const refused = () => Promise.reject(new Failure('sandbox-gone', 'the simulation runs no commands'))
  const kill = async () => {
    unit.isFrozen = true
    await process.pass(20)
    unit.end()
    machine.units.delete(request.id)
  }
  return {
    id: request.id,
    fsync: 'relaxed',
    cgroups: [unit.cgroup],
    cpuNs: () => unit.cpuNs,
    oomKills: () => 0,
    pid: 1,
    exec: refused,
    connect: refused,
    extend: async (deadlineBootMs) => {
      await process.pass(1)
      if (!unit.isFrozen) unit.deadlineBootMs = deadlineBootMs
    },
    onGuestCall: (answer) => {
      unit.answer = answer
    },
    kill,
    ended: unit.ended,
    [Symbol.asyncDispose]: kill,
  }
}

import { type Failure, isFailure } from '@holdfast/base/failure'
import type { HOST_CALLS } from '@holdfast/protocol/host-calls'
import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { LEASE_ORG } from '@holdfast/testkit/lease-registry-fixture'
import type { Host } from './host.ts'
import type { Line } from './line.ts'
import type { Node } from './network.ts'
import type { Oracle } from './oracle.ts'
import { SimulatedProcess } from './process.ts'
import type { Draws, Scheduler } from './scheduler.ts'

const OPEN_MS_MAX = 60_000
const THINK_MS = [100, 4_000] as const

export interface DriverDeps {
  readonly scheduler: Scheduler
  readonly oracle: Oracle
  readonly hosts: readonly [Host, ...Host[]]
  readonly connect: (from: Node, address: string) => Line<typeof HOST_CALLS>
}

/**
 * Whoever uses one workspace, and brings it back whenever it is gone: it opens, syncs, hands off and closes at random.
 * It knows only what it is told, which may be nothing.
 */
export class Driver implements Node {
  readonly name: string
  readonly process: SimulatedProcess
  readonly isListening = false
  readonly #deps: DriverDeps
  readonly #workspace: WorkspaceId
  readonly #draws: Draws
  #host: Host
  #epoch = 0
  #isCalm = false
  /** When a sync was last told to be durable, in true time. */
  syncedAtMs = Number.NEGATIVE_INFINITY

  constructor(deps: DriverDeps, workspace: WorkspaceId) {
    this.name = `driver of ${workspace}`.replaceAll(' ', '-')
    this.process = new SimulatedProcess(deps.scheduler)
    this.#deps = deps
    this.#workspace = workspace
    this.#draws = deps.scheduler.draws(this.name)
    this.#host = this.#draws.pick([...deps.hosts])
  }

  /** From now on it only opens what is gone, and syncs. */
  calm(): void {
    this.#isCalm = true
  }

  async run(): Promise<never> {
    for (;;) {
      await this.process.pass(this.#draws.within(THINK_MS))
      try {
        await this.#open()
        await this.#use()
      } catch (error) {
        if (!isFailure(error)) this.#deps.oracle.noteDefect(error, this.name)
        else this.#meet(error)
      }
    }
  }

  /** Where it is now may be told by who holds it; else anywhere. */
  #meet(failure: Failure): void {
    const holder = this.#deps.hosts.find(({ id }) => id === failure.details.host)
    if (holder) this.#host = holder
    else if (this.#draws.chance(0.5)) this.#host = this.#draws.pick([...this.#deps.hosts])
  }

  async #open(): Promise<void> {
    const request = {
      workspace: this.#workspace,
      org: LEASE_ORG,
      spec: SANDBOX_SPEC_DEFAULT,
      services: [],
      handedOver: null,
      rollBackTo: null,
    }
    const { epoch } = await this.#to(this.#host).call('openWorkspace', request, { timeoutMs: OPEN_MS_MAX })
    this.#epoch = epoch
  }

  async #use(): Promise<void> {
    for (;;) {
      const draw = this.#draws.numbers()
      if (this.#isCalm || draw < 0.6) await this.#sync()
      else if (draw < 0.85) await this.#handOff()
      else return await this.#close()
      await this.process.pass(this.#draws.within(THINK_MS))
    }
  }

  async #sync(): Promise<void> {
    const beganAtMs = this.#deps.scheduler.nowMs
    const run = { workspace: this.#workspace, epoch: this.#epoch }
    await this.#to(this.#host).call('sync', run, { timeoutMs: 10_000 })
    this.syncedAtMs = beganAtMs
  }

  async #handOff(): Promise<void> {
    const target = this.#draws.pick([...this.#deps.hosts])
    if (target === this.#host) return
    const request = {
      workspace: this.#workspace,
      target: { host: target.id, address: target.name },
      drainMs: 0,
    }
    const { facts } = await this.#to(this.#host).call('handOff', request, { timeoutMs: OPEN_MS_MAX })
    this.#deps.oracle.noteHandOff(this.#workspace, facts.epoch)
    this.#host = target
    this.#epoch = facts.epoch
  }

  async #close(): Promise<void> {
    const cause = this.#draws.pick<'stop' | 'restart' | 'termination'>(['stop', 'restart', 'termination'])
    const force = this.#draws.chance(0.2)
    const request = { workspace: this.#workspace, cause, drainMs: 0, force } as const
    const outcome = await this.#to(this.#host).call('closeWorkspace', request, { timeoutMs: OPEN_MS_MAX })
    this.#deps.scheduler.log(`closed ${this.#workspace}: ${outcome.kind}`)
    if (this.#draws.chance(0.5)) this.#host = this.#draws.pick([...this.#deps.hosts])
  }

  #to(host: Host): Line<typeof HOST_CALLS> {
    return this.#deps.connect(this, host.name)
  }
}

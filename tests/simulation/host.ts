import { join } from 'node:path'
import type { Randomness } from '@holdfast/base/randomness'
import { toText } from '@holdfast/generations/format/byte-string'
import { ResidentWorkspaces } from '@holdfast/host/agent/resident-workspaces'
import { handOff } from '@holdfast/host/agent/workspace-handlers'
import { HolderLeases } from '@holdfast/host/holder-leases'
import { LeaseHolder } from '@holdfast/host/lease-holder'
import { generationSummary } from '@holdfast/host/workspace/generation-summary'
import type { LiveDeps } from '@holdfast/host/workspace/live-workspace'
import type { HostVolumes } from '@holdfast/host/workspace/resident-files'
import { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import type { HOST_CALLS } from '@holdfast/protocol/host-calls'
import type { HostId } from '@holdfast/protocol/identifiers'
import { LEASE_CALLS } from '@holdfast/protocol/lease-calls'
import type { RpcHandlers } from '@holdfast/rpc/rpc-server'
import type { Runtime } from '@holdfast/sandbox/runtime'
import type { Database } from './database.ts'
import { type FilesDeps, SimulatedFiles } from './files.ts'
import { AskedIndex, type Guards } from './guards.ts'
import { Line } from './line.ts'
import type { Machine, RunningUnit } from './machine.ts'
import type { Network, Node } from './network.ts'
import type { Oracle } from './oracle.ts'
import type { SimulatedProcess } from './process.ts'
import type { Draws, Scheduler } from './scheduler.ts'
import type { SimulatedStore } from './store.ts'
import { sandboxOf, Unit } from './unit.ts'

export interface HostDeps {
  readonly scheduler: Scheduler
  readonly network: Network
  readonly database: Database
  readonly store: SimulatedStore
  readonly oracle: Oracle
  readonly guards: Guards
  /** The way to another host by its address. */
  readonly connect: (from: Node, address: string) => Line<typeof HOST_CALLS>
  /** A folder of the real disk in which nothing is written. */
  readonly folder: string
}

/** Units are ended at their deadlines by the simulation itself. */
const UNUSED = { watch: async () => {}, extend: async () => {}, forget: async () => {} }

type Handlers = Partial<RpcHandlers<typeof HOST_CALLS>>

/** A host: a machine, and on it the real agent code, as often as it is started. */
export class Host implements Node {
  readonly machine: Machine
  readonly id: HostId
  handlers: Handlers = {}
  readonly #deps: HostDeps
  readonly #draws: Draws
  #isUp = false

  constructor(deps: HostDeps, machine: Machine, id: HostId) {
    this.#deps = deps
    this.machine = machine
    this.id = id
    this.#draws = deps.scheduler.draws(machine.name)
  }

  get name(): string {
    return this.machine.name
  }

  get process(): SimulatedProcess {
    return this.machine.process
  }

  get isListening(): boolean {
    return !this.process.isDead && this.#isUp
  }

  /** Starts an agent; it ends what an earlier one left before it listens. */
  async start(): Promise<void> {
    const process = this.machine.newProcess()
    this.#isUp = false
    this.#deps.scheduler.log(`${this.name} starts`)
    await process.pass(this.#draws.between(50, 500))
    for (const unit of this.machine.units.values()) unit.end()
    this.machine.units.clear()
    this.handlers = this.#assemble(process)
    this.#isUp = true
  }

  /** The agent dies; its sandboxes go on. What was frozen is thawed by a process that outlives it. */
  kill(): void {
    this.#deps.scheduler.log(`${this.name} dies`)
    this.machine.process.kill()
    this.#deps.scheduler.after(this.#draws.between(0, 50), () => {
      for (const unit of this.machine.units.values()) unit.isFrozen = false
    })
  }

  #assemble(process: SimulatedProcess): Handlers {
    const { machine } = this
    const { network, database, store, guards, connect, folder } = this.#deps
    const draws = this.#draws
    const { clock, bootClock } = machine.clocksFor(process)
    const randomness: Randomness = {
      bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(draws.numbers() * 256)),
    }
    const at = { from: this, to: database, unreachable: 'index-unavailable' } as const
    const client = new Line(network, LEASE_CALLS, { ...at, handlers: () => database.leases })
    const history = new Line(network, HISTORY_CALLS, { ...at, handlers: () => database.history })
    const leases = new HolderLeases(
      (events) => new LeaseHolder({ client, host: this.id, clock, bootClock, randomness, events }),
    )
    const acquire = () => Promise.reject(new Error('leases come from the holder'))
    const index = new AskedIndex({ client: history, acquire }, { guards, clock })
    const files: FilesDeps = { machine, process, clock, draws, index, store }
    const residents: ResidentWorkspaces = new ResidentWorkspaces({
      ...{ graceMs: 1_000, finalMs: 10_000, leases },
      volumes: this.#volumes(files, folder),
      runtimeFor: () => this.#runtime(process, (workspace) => residents.find(workspace)),
      live: {
        clock,
        randomness,
        holdfs: this.#holdfs(process),
        layout: { sandboxes: '/sandboxes' },
        watchdog: UNUSED,
        startBrake: () => ({ pressure: 'none', [Symbol.asyncDispose]: async () => {} }),
      },
      images: { ensure: notSimulated, pin: notSimulated },
      tell: () => {},
      onStopped: () => {},
      onFatal: (failure) => this.#deps.oracle.noteDefect(failure, 'fatal'),
      execs: { clock },
      onExecEnded: () => {},
    })
    return this.#handlers(residents, (address) => connect(this, address))
  }

  #unitOf(workspace: string, epoch: number): RunningUnit | undefined {
    const units = [...this.machine.units.values()]
    return units.find((unit) => unit.workspace === workspace && unit.epoch === epoch && !unit.isEnded)
  }

  #handlers(
    residents: ResidentWorkspaces,
    connectHost: (address: string) => Line<typeof HOST_CALLS>,
  ): Handlers {
    const { oracle } = this.#deps
    return {
      openWorkspace: async (request) => (await residents.open(request)).facts,
      closeWorkspace: (request) => residents.close(request),
      sync: async ({ workspace }) => {
        const resident = residents.get(workspace)
        const unit = this.#unitOf(workspace, resident.epoch)
        const items = unit?.volume.items ?? []
        const { generation, isNew, frozenMs } = await resident.sync()
        oracle.noteAcknowledged(workspace, items)
        return { generation: generationSummary(generation), isNew, frozenMs }
      },
      workspaceFacts: async ({ workspace }) => residents.get(workspace).facts,
      handOff: (request) => handOff({ residents, connectHost }, request),
      prepareIncoming: async ({ workspace, org, generation, content }) => {
        await residents.prepare({ workspace, org }, { generation, content })
        return { generation }
      },
    }
  }

  #volumes(deps: FilesDeps, folder: string): HostVolumes {
    return {
      workspaces: [],
      execs: (workspace) => join(folder, this.name, workspace),
      open: async ({ workspace }) => new SimulatedFiles(deps, workspace),
      forget: async (workspace) => void this.machine.volumes.delete(workspace),
    }
  }

  #runtime(process: SimulatedProcess, find: ResidentWorkspaces['find']): Runtime {
    const { scheduler, oracle, guards } = this.#deps
    const isStopped = (workspace: string) => find(workspace)?.state === 'closing'
    const deps = {
      scheduler,
      oracle,
      host: this.id,
      machine: this.machine,
      isWatched: guards.deadline,
      isStopped,
    }
    return {
      kind: 'runc',
      isolation: 'shared-kernel',
      probe: async () => null,
      cgroupsOf: () => [],
      start: async (request) => {
        await process.pass(this.#draws.between(20, 200))
        const { id, volumePath, deadlineBootMs } = request
        const workspace = volumePath.slice(1)
        const unit = new Unit(deps, { id, workspace, epoch: find(workspace)?.epoch ?? 0, deadlineBootMs })
        this.machine.units.set(id, unit)
        return sandboxOf(unit, deps, request)
      },
      killLeftovers: async () => {},
    }
  }

  #holdfs(process: SimulatedProcess): LiveDeps['holdfs'] {
    const set = (cgroups: readonly Parameters<typeof toText>[0][], isFrozen: boolean) => {
      for (const name of cgroups.map(toText)) {
        const unit = this.machine.units.get(name)
        if (unit) unit.isFrozen = isFrozen
      }
    }
    return {
      freeze: async ({ cgroups = [] }) => {
        await process.pass(2)
        set(cgroups, true)
        await process.pass(1)
        return { freezeNs: 1_000_000, alreadyFrozen: 0 }
      },
      thaw: async ({ cgroups = [] }) => {
        await process.pass(1)
        set(cgroups, false)
        await process.pass(1)
      },
    }
  }
}

function notSimulated(): Promise<never> {
  return Promise.reject(new Error('no image is simulated'))
}

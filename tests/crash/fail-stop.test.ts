import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Workspace } from '@holdfast/client/workspace'
import { Installation, LEASE_TTL_MS } from './installation.ts'
import { Ledger } from './ledger.ts'
import { childOf } from './processes.ts'
import type { RoleProcess } from './role-process.ts'
import { assertApart, beginTicks, duringFreeze } from './ticks.ts'

const LIMITS = { timeout: 60_000 }
const BUSY = 250
/** A host that goes on has so long to do what it must not. */
const TEMPTATION_MS = 700

/** Two hosts, and a workspace whose ledger is durable up to a point and whose processes tell when they run. */
class Scene implements AsyncDisposable {
  readonly installation: Installation
  readonly workspace: Workspace
  readonly #ledger: Ledger
  readonly #first: number

  private constructor(installation: Installation, workspace: Workspace, ledger: Ledger, first: number) {
    this.installation = installation
    this.workspace = workspace
    this.#ledger = ledger
    this.#first = first
  }

  static async make(count: number): Promise<Scene> {
    const installation = await Installation.start()
    const workspace = await installation.client.create({ limits: { pids: BUSY + 50 } })
    const ledger = await Ledger.begin(workspace)
    const first = await beginTicks(installation, workspace, count)
    await ledger.sync()
    return new Scene(installation, workspace, ledger, first)
  }

  get hostName(): string {
    return this.installation.hostOf(this.workspace) ?? ''
  }

  get host(): RoleProcess {
    return this.installation.host(this.hostName)
  }

  /** Waits until it runs elsewhere, lets `tempt` do its worst, and holds both runs apart. */
  async assertTakenOver(tempt: () => void | Promise<void> = () => {}): Promise<void> {
    const { installation, workspace } = this
    const deadlineMs = await installation.deadlineMs(workspace)
    await installation.recovered(workspace, this.#first)
    await this.#ledger.audit()
    const second = await beginTicks(installation, workspace)
    await tempt()
    await delay(TEMPTATION_MS)
    assertApart(installation, workspace, { first: this.#first, second, deadlineMs })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.installation[Symbol.asyncDispose]()
  }
}

test(
  'a host that is stopped past its lease and goes on runs nothing of what another took over',
  LIMITS,
  async () => {
    await using scene = await Scene.make(1)
    const { host } = scene
    host.signal('SIGSTOP')
    await scene.assertTakenOver(() => host.signal('SIGCONT'))
  },
)

test(
  'a host that is stopped while 250 processes stand still for a capture never lets them go on',
  LIMITS,
  async () => {
    await using scene = await Scene.make(BUSY)
    const { host } = scene
    await duringFreeze(scene.installation, scene.hostName, () => host.signal('SIGSTOP'))
    await scene.assertTakenOver(() => host.signal('SIGCONT'))
  },
)

test(
  'a host agent that is killed during a capture leaves nothing running past the deadline',
  LIMITS,
  async () => {
    await using scene = await Scene.make(BUSY)
    const { host } = scene
    await duringFreeze(scene.installation, scene.hostName, () => process.kill(host.pid, 'SIGKILL'))
    await host.kill()
    await scene.assertTakenOver(async () => void (await host.start()))
  },
)

test(
  'agent, watchdog and freezer are killed during a capture: a new agent ends what stands still',
  LIMITS,
  async () => {
    await using scene = await Scene.make(BUSY)
    const { host } = scene
    const all = [childOf(host.pid, 'holdfs'), childOf(host.pid, 'holdwatch'), host.pid]
    await duringFreeze(scene.installation, scene.hostName, () => {
      for (const pid of all) process.kill(pid, 'SIGKILL')
    })
    await host.kill()
    await delay(2 * LEASE_TTL_MS)
    await scene.assertTakenOver(async () => void (await host.start()))
  },
)

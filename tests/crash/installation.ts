import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { Holdfast } from '@holdfast/client/holdfast'
import { HoldfastError } from '@holdfast/client/holdfast-error'
import type { Workspace } from '@holdfast/client/workspace'
import { WorkspaceId } from '@holdfast/protocol/identifiers'
import { LEASE_CALLS } from '@holdfast/protocol/lease-calls'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { installedPrograms } from '@holdfast/sandbox/native-programs'
import { RuncRuntime } from '@holdfast/sandbox/runc/runc-runtime'
import type { Role, SettingsOf } from '@holdfast/server/settings'
import { removeTree } from '@holdfast/testkit/remove-tree'
import { until } from '@holdfast/testkit/until'
import { bootMs } from './boot-clock.ts'
import { PLAIN, type RoleGround, RoleProcess } from './role-process.ts'

/** A lease of the tests: long enough for a busy machine, short enough to wait for. */
export const LEASE_TTL_MS = 3_000
/** Of each lease, as the host role has it for every TTL. */
export const LEASE_MARGIN_MS = LEASE_TTL_MS / 5
const HOST_SILENCE_MS = 3_000

export interface InstallationOptions {
  readonly hosts?: readonly string[]
  /** `postgres://…`; absent: a SQLite file for each of the two. */
  readonly database?: string
  readonly volume?: 'auto' | 'btrfs' | 'live'
  /** Absent: short ones. */
  readonly leaseTtlMs?: number
  readonly grounds?: Readonly<Record<string, RoleGround>>
  /** Where a role listens, and is reached by others. */
  readonly addresses?: Readonly<Record<string, string>>
}

/**
 * All roles of an installation, each a process of its own, in one folder; hosts have short leases. Disposing of it leaves
 * no process, sandbox or mount behind, whatever was killed before.
 */
export class Installation implements AsyncDisposable {
  readonly base = mkdtempSync(join(tmpdir(), 'holdfast-crash-'))
  readonly lease: RoleProcess
  readonly control: RoleProcess
  readonly hosts = new Map<string, RoleProcess>()
  client!: Holdfast
  readonly #leases: RpcClient<typeof LEASE_CALLS>
  readonly #options: InstallationOptions

  private constructor(options: InstallationOptions) {
    this.#options = options
    for (const folder of ['logs', 'run', 'hosts']) mkdirSync(join(this.base, folder))
    for (const name of ['cluster', 'link'])
      writeFileSync(join(this.base, `${name}.key`), `${name}-key-`.padEnd(48, 'k'), { mode: 0o600 })
    const clusterKey = readFileSync(join(this.base, 'cluster.key'), 'utf8')
    const address = this.#address('lease')
    this.#leases = new RpcClient(LEASE_CALLS, { address, clusterKey, unreachable: 'index-unavailable' })
    this.lease = this.#role('lease', this.#leaseSettings())
    this.control = this.#role('control', this.#controlSettings('127.0.0.1:0'))
  }

  static async start(options: InstallationOptions = {}): Promise<Installation> {
    const installation = new Installation(options)
    try {
      await installation.#start()
      return installation
    } catch (error) {
      await installation[Symbol.asyncDispose]()
      throw error
    }
  }

  host(name: string): RoleProcess {
    const host = this.hosts.get(name)
    if (host) return host
    throw new Error(`there is no host ${name}`)
  }

  /** Which host runs a workspace, as control says. */
  hostOf(workspace: Workspace): string | undefined {
    const { hostId } = workspace.state
    return [...this.hosts.keys()].find((name) => this.hostId(name) === hostId)
  }

  hostId(name: string): string {
    return readFileSync(join(this.stateOf(name), 'host-id'), 'utf8').trim()
  }

  stateOf(name: string): string {
    return join(this.base, 'hosts', name)
  }

  /** The files of a workspace on a host, as they are there now, current or not. */
  filesOf(name: string, workspace: Workspace): string {
    return join(this.stateOf(name), 'workspaces', workspace.id, 'files')
  }

  /** Resolves once it runs under a later epoch than `epoch`; one that was saved and stopped on the way is resumed. */
  async recovered(workspace: Workspace, epoch: number, withinMs = 25_000): Promise<void> {
    const seen = async (): Promise<true | undefined> => {
      const { status, state } = await workspace.refresh()
      if (status === 'failed') throw new Error(`it has failed: ${state.statusReason} ${state.statusMessage}`)
      if (status === 'stopped') await workspace.resume()
      return status === 'idle' && state.epoch > epoch ? true : undefined
    }
    await until(`${workspace.id} runs again`, () => seen().catch(forgiveUnavailable), { withinMs }).catch(
      (error) => {
        const { status, statusReason, statusMessage } = workspace.state
        throw new Error(`it is ${status}: ${statusReason}, ${statusMessage}`, { cause: error })
      },
    )
  }

  /** The instant of the boot clock after which nothing of a workspace may run, unless its host renews the lease again. */
  async deadlineMs(workspace: Workspace): Promise<number> {
    const [state] = (
      await this.#leases.call('leaseStates', { workspaces: [WorkspaceId.parse(workspace.id)] })
    ).states
    if (state === undefined) throw new Error(`${workspace.id} has no lease`)
    return bootMs() + state.remainingMs - LEASE_MARGIN_MS
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leases[Symbol.asyncDispose]()
    await Promise.all([...this.hosts.values(), this.control, this.lease].map((role) => role.kill()))
    const ground = { clock: systemClock, randomness: systemRandomness }
    const runtime = new RuncRuntime({ ...ground, programs: installedPrograms(), openFilesMax: 1024 })
    for (const name of this.hosts.keys()) await runtime.killLeftovers(join(this.stateOf(name), 'sandboxes'))
    removeTree(this.base)
  }

  async #start(): Promise<void> {
    await this.lease.start()
    const { publicUrl } = await this.control.start()
    if (publicUrl === null) throw new Error('control has no API')
    this.control.settings = this.#controlSettings(new URL(publicUrl).host)
    const apiKey = readFileSync(join(this.base, 'admin.key'), 'utf8').trim()
    this.client = new Holdfast({ url: publicUrl, apiKey })
    for (const name of this.#options.hosts ?? ['a', 'b'])
      this.hosts.set(name, this.#role(name, this.#hostSettings(name)))
    await Promise.all(Array.from(this.hosts.values(), (host) => host.start()))
  }

  #role(name: string, settings: SettingsOf<Role>): RoleProcess {
    const ground = this.#options.grounds?.[name] ?? PLAIN
    return new RoleProcess(settings, join(this.base, 'logs', `${name}.log`), ground)
  }

  #address(name: string): string {
    return this.#options.addresses?.[name] ?? `unix:${join(this.base, 'run', name)}`
  }

  #ground(name: string) {
    return { listen: this.#address(name), clusterKeyFile: join(this.base, 'cluster.key') }
  }

  #database(name: string): string {
    return this.#options.database ?? `sqlite:${join(this.base, `${name}.sqlite`)}`
  }

  #leaseSettings(): SettingsOf<'lease'> {
    return { role: 'lease', ...this.#ground('lease'), database: this.#database('history') }
  }

  #controlSettings(api: string): SettingsOf<'control'> {
    return {
      role: 'control',
      ...this.#ground('control'),
      database: this.#database('control'),
      lease: this.#address('lease'),
      api,
      apiHosts: ['127.0.0.1'],
      appsUrl: 'http://localhost:1',
      linkKeyFile: join(this.base, 'link.key'),
      adminKeyFile: join(this.base, 'admin.key'),
      hostSilenceMs: HOST_SILENCE_MS,
    }
  }

  #hostSettings(name: string): SettingsOf<'host'> {
    return {
      role: 'host',
      ...this.#ground(name),
      state: this.stateOf(name),
      name,
      control: this.#address('control'),
      lease: this.#address('lease'),
      store: join(this.base, 'store'),
      storeKeyFile: null,
      runtimes: ['runc'],
      volume: this.#options.volume ?? 'auto',
      leaseTtlMs: this.#options.leaseTtlMs ?? LEASE_TTL_MS,
      graceMs: 5_000,
      warm: { perKey: 0, keysMax: 1 },
      registries: [],
    }
  }
}

/** Roles that are down, or not there yet, are what these tests are about. */
export function forgiveUnavailable(error: unknown): undefined {
  if (error instanceof HoldfastError) return undefined
  throw error
}

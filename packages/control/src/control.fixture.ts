import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@holdfast/base/clock'
import { ExposureLinks } from '@holdfast/base/exposure-link'
import { systemRandomness } from '@holdfast/base/randomness'
import { RpcServer } from '@holdfast/rpc/rpc-server'
import { HistoriesDouble } from '@holdfast/testkit/histories-double'
import { HostDouble } from '@holdfast/testkit/host-double'
import { RpcHostLinks } from './adapters/rpc-host-links.ts'
import { SqliteStore } from './adapters/sqlite-store.ts'
import type { AdmissionLimits } from './api/admission.ts'
import { type ControlRole, startControlRole } from './control-role.ts'
import type { Settings } from './operations/context.ts'
import type { Store } from './ports/store.ts'

const CLUSTER_KEY = 'c'.repeat(32)
export const LINK_KEY = Buffer.alloc(32, 7)
const WAIT_MS_MAX = 15_000

export interface Reply {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at any field of an answer
  readonly body: any
}

export interface AskOptions {
  readonly body?: unknown
  /** A body as it is sent, in place of `body`. */
  readonly text?: string
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

export interface InstallationSettings extends Partial<Settings> {
  readonly limits?: AdmissionLimits
  /** Absent: a SQLite file of its own. */
  readonly openStore?: () => Promise<Store>
  /** Absent: of its own; those of another one make both replicas of one installation. */
  readonly histories?: HistoriesDouble
}

/** A control role with its database, its own RPC server, and hosts that are doubles; everything over real sockets. */
export class Installation implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'holdfast-control-'))
  readonly histories: HistoriesDouble
  readonly hosts: HostDouble[] = []
  readonly defects: unknown[] = []
  readonly #settings: InstallationSettings
  #store!: Store
  #links!: RpcHostLinks
  #rpc!: RpcServer
  #role!: ControlRole
  #isRunning = false

  private constructor(settings: InstallationSettings) {
    this.#settings = settings
    this.histories = settings.histories ?? new HistoriesDouble(() => systemClock.wallMs())
  }

  static async start(settings: InstallationSettings = {}, hosts = 1): Promise<Installation> {
    const installation = new Installation(settings)
    await installation.begin()
    for (let count = 0; count < hosts; count++) await installation.addHost()
    return installation
  }

  get store(): Store {
    return this.#store
  }

  get url(): string {
    return this.#role.apiAddress
  }

  get adminKey(): string {
    return readFileSync(join(this.directory, 'admin.key'), 'utf8').trim()
  }

  get host(): HostDouble {
    const [host] = this.hosts
    if (host === undefined) throw new Error('there is no host')
    return host
  }

  async begin(): Promise<void> {
    const { limits, openStore, histories: _histories, ...settings } = this.#settings
    this.#store = openStore ? await openStore() : await SqliteStore.open(join(this.directory, 'control.db'))
    this.#links = new RpcHostLinks(CLUSTER_KEY)
    this.#rpc = await RpcServer.listen({
      address: `unix:${join(this.directory, 'rpc')}`,
      clusterKey: CLUSTER_KEY,
    })
    this.#role = await startControlRole({
      ...{ store: this.#store, histories: this.histories, links: this.#links, rpc: this.#rpc },
      ...{ clock: systemClock, randomness: systemRandomness },
      settings: {
        ...{ hostNames: ['127.0.0.1'], keyPepper: 'pepper', hostSilenceMs: 60_000, heartbeatMs: 1_000 },
        exposures: {
          scheme: 'http',
          domain: 'apps.localhost',
          port: 8081,
          links: new ExposureLinks(LINK_KEY),
        },
        idleTimeoutMsDefault: null,
        isolationMinDefault: 'shared-kernel',
        eventsKeptMs: 30 * 86_400_000,
        ...settings,
      },
      apiAddress: 'http://127.0.0.1:0',
      adminKeyPath: join(this.directory, 'admin.key'),
      sweepMs: 50,
      ...(limits ? { limits } : {}),
      onDefect: (error) => this.defects.push(error),
    })
    this.#isRunning = true
  }

  /** Control ends as it may at any moment, and begins anew on its database. */
  async restart(): Promise<void> {
    await this.end()
    await this.begin()
  }

  async addHost(): Promise<HostDouble> {
    const host = await HostDouble.start({
      id: `host_${String(this.hosts.length + 1).padStart(26, '0')}`,
      directory: join(this.directory, `host-${this.hosts.length}`),
      clusterKey: CLUSTER_KEY,
      controlAddress: `unix:${join(this.directory, 'rpc')}`,
      histories: this.histories,
      nowMs: () => systemClock.wallMs(),
    })
    this.hosts.push(host)
    host.onHandOff = (target, facts) =>
      this.hosts.find(({ id }) => id === target)?.open(facts.workspace, facts)
    return host
  }

  async ask(line: string, options: AskOptions = {}): Promise<Reply> {
    const [method = 'GET', path = '/'] = line.split(' ')
    const { body, key = this.adminKey, headers } = options
    const sent = options.text ?? (body === undefined ? undefined : JSON.stringify(body))
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }

  /** A workspace that is ready. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at any field of an answer
  async workspace(body: unknown = {}): Promise<any> {
    const { status, body: made } = await this.ask('POST /v1/workspaces?wait=10s', { body })
    if (status !== 201 || made.status !== 'idle') throw new Error(`no workspace: ${JSON.stringify(made)}`)
    return made
  }

  /** Asks until the workspace fits. */
  async until(id: string, fits: (workspace: Reply['body']) => boolean): Promise<Reply['body']> {
    let last: Reply | undefined
    for (let waitedMs = 0; waitedMs < WAIT_MS_MAX; waitedMs += 20) {
      last = await this.ask(`GET /v1/workspaces/${id}`)
      if (fits(last.body)) return last.body
      await delay(20)
    }
    throw new Error(`it did not come to that: ${JSON.stringify(last?.body)}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.hosts) await host[Symbol.asyncDispose]()
    await this.end()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Control is gone; its database and its hosts stay. */
  async end(): Promise<void> {
    if (!this.#isRunning) return
    this.#isRunning = false
    await this.#role[Symbol.asyncDispose]()
    await this.#rpc[Symbol.asyncDispose]()
    await this.#links[Symbol.asyncDispose]()
    await this.#store[Symbol.asyncDispose]()
  }
}

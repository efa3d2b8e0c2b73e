import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { LEASE_TTL_MS } from '@holdfast/protocol/lease-calls'
import type { RuntimeKind } from '@holdfast/protocol/sandbox-spec'
import { parseListen } from './roles/listen.ts'
import type { SettingsOf } from './settings.ts'

const KEY_BYTES = 32
/** Of each of the kinds of sandbox that are asked for, on one box. */
const WARM = { perKey: 2, keysMax: 4 }
/** The kernel takes socket paths of 107 bytes. */
const SOCKET_PATH_BYTES_MAX = 107

/** What `hold up` can be told. */
export interface UpOptions {
  /** The folder of the installation. */
  readonly home: string
  readonly api: string
  readonly apps: string
  readonly store: string | null
  readonly database: string | null
  readonly runtimes: readonly RuntimeKind[]
  readonly volume: 'auto' | 'btrfs' | 'live'
  readonly graceMs: number
  /** Of images, that may be at addresses which are not public. */
  readonly registries?: readonly string[]
}

/** How clients on this machine find the server: `<home>/server.json`, mode 0600. */
export interface ServerAddress {
  readonly url: string
  readonly appsUrl: string
  readonly apiKey: string
}

/** One box: where each role of an installation keeps what is its own, and how they reach one another. */
export class Installation {
  readonly #options: UpOptions
  readonly #folder: string

  /** Makes what is missing. Rejects with `invalid-argument` for a folder whose name is too long for sockets. */
  constructor(options: UpOptions, randomness: Randomness) {
    this.#options = options
    this.#folder = join(options.home, 'server')
    for (const part of ['', 'run', 'logs', 'host'])
      mkdirSync(join(this.#folder, part), { recursive: true, mode: 0o700 })
    chmodSync(this.#folder, 0o700)
    if (Buffer.byteLength(this.#socketPath('control')) > SOCKET_PATH_BYTES_MAX)
      throw new Failure(
        'invalid-argument',
        `${options.home} is too long a path for sockets: set HOLDFAST_HOME`,
      )
    for (const file of [this.#clusterKeyFile, this.#linkKeyFile]) makeKeyFile(file, randomness)
  }

  /** Where the lock that only one `hold up` may hold lives. */
  get folder(): string {
    return this.#folder
  }

  get adminKeyFile(): string {
    return join(this.#folder, 'admin.key')
  }

  get appsUrl(): string {
    return `http://localhost:${parseListen(this.#options.apps).port}`
  }

  logPath(role: string): string {
    return join(this.#folder, 'logs', `${role}.log`)
  }

  lease(): SettingsOf<'lease'> {
    return { role: 'lease', ...this.#common('lease'), database: this.#database('history') }
  }

  control(): SettingsOf<'control'> {
    const { api, runtimes } = this.#options
    return {
      role: 'control',
      ...this.#common('control'),
      database: this.#database('control'),
      lease: this.#address('lease'),
      api,
      apiHosts: ['localhost', '127.0.0.1', '[::1]'],
      appsUrl: this.appsUrl,
      linkKeyFile: this.#linkKeyFile,
      adminKeyFile: this.adminKeyFile,
      // Whoever starts a box with `none` alone has opted in.
      isolationMin: runtimes.every((kind) => kind === 'none') ? 'none' : 'shared-kernel',
    }
  }

  /** A box may run several hosts; the first one is `0`. */
  host(number = 0): SettingsOf<'host'> {
    const { store, runtimes, volume, graceMs, registries = [] } = this.#options
    return {
      role: 'host',
      ...this.#common(`host${number}`),
      state: join(this.#folder, 'host', String(number)),
      name: number === 0 ? hostname() : `${hostname()}-${number}`,
      control: this.#address('control'),
      lease: this.#address('lease'),
      store: store ?? join(this.#folder, 'store'),
      storeKeyFile: null,
      runtimes: [...runtimes],
      volume,
      leaseTtlMs: LEASE_TTL_MS,
      graceMs,
      warm: WARM,
      registries: [...registries],
    }
  }

  gateway(): SettingsOf<'gateway'> {
    return {
      role: 'gateway',
      ...this.#common('gateway'),
      control: this.#address('control'),
      apps: this.#options.apps,
      appsUrl: this.appsUrl,
      linkKeyFile: this.#linkKeyFile,
    }
  }

  /** Lets clients on this machine find the server. */
  publish(address: Omit<ServerAddress, 'apiKey'>): void {
    const apiKey = readFileSync(this.adminKeyFile, 'utf8').trim()
    const path = join(this.#options.home, 'server.json')
    writeFileSync(`${path}.new`, `${JSON.stringify({ ...address, apiKey }, null, 2)}\n`, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }

  /** Two files, so that requests never make a commit wait. */
  #database(name: string): string {
    return this.#options.database ?? `sqlite:${join(this.#folder, `${name}.sqlite`)}`
  }

  get #clusterKeyFile(): string {
    return join(this.#folder, 'cluster.key')
  }

  get #linkKeyFile(): string {
    return join(this.#folder, 'link.key')
  }

  #socketPath(name: string): string {
    return join(this.#folder, 'run', `${name}.sock`)
  }

  #address(name: string): string {
    return `unix:${this.#socketPath(name)}`
  }

  #common(name: string) {
    return { listen: this.#address(name), clusterKeyFile: this.#clusterKeyFile }
  }
}

function makeKeyFile(path: string, randomness: Randomness): void {
  if (existsSync(path)) return
  const key = Buffer.from(randomness.bytes(KEY_BYTES)).toString('hex')
  writeFileSync(path, `${key}\n`, { mode: 0o600, flag: 'wx' })
}

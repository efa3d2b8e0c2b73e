import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const READY_MS_MAX = 20_000
const STOP_MS_MAX = 10_000
const DEBIAN = '/usr/lib/postgresql'
/** It refuses to run as root. */
const USER = 'postgres'

/**
 * A PostgreSQL in a folder of its own, on a Unix socket only. Its files need not survive, so nothing is synced; what a
 * crash of the server loses then is no test of ours. It dies with this process. Needs the Debian package postgresql.
 */
export class PostgresServer implements AsyncDisposable {
  readonly #folder: string
  #child: ChildProcess | undefined
  #schemas = 0

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Ready after a second. Rejects with what the server wrote when it does not come up. */
  static async start(): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-pg-'))
    const server = new PostgresServer(folder)
    try {
      chmodSync(folder, 0o755)
      mkdirSync(join(folder, 'files'))
      await run('chown', [USER, join(folder, 'files')])
      const initdb = ['-D', server.#cluster, '--no-sync', '-A', 'trust', '-U', USER, '-E', 'UTF8']
      await run('setpriv', [...AS_USER, program('initdb'), ...initdb, '--locale=C'], { cwd: '/' })
      await server.restart('SIGKILL')
      return server
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Where `pg` finds it. */
  get connection(): { readonly host: string; readonly user: string; readonly database: string } {
    return { host: join(this.#folder, 'files'), user: USER, database: 'postgres' }
  }

  /** The same as an address. */
  get url(): string {
    const { host, user, database } = this.connection
    return `postgres://${user}@localhost/${database}?host=${encodeURIComponent(host)}`
  }

  /** The name of a schema that nobody else uses. */
  newSchema(): string {
    this.#schemas += 1
    return `test_${this.#schemas}`
  }

  /** Runs one statement as the superuser, beside every connection of a test; returns the first column. */
  async query(sql: string): Promise<string[]> {
    const { host, user, database } = this.connection
    const words = ['-X', '-A', '-t', '-q', '-h', host, '-U', user, '-d', database, '-c', sql]
    const { stdout } = await run(program('psql'), words, { cwd: '/', timeout: STOP_MS_MAX })
    return stdout.split('\n').filter((line) => line !== '')
  }

  /** Ends the server (SIGINT: cutting its connections; SIGKILL: as a crash does) and starts it again. */
  async restart(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    await this.stop(signal)
    const log = openSync(join(this.#folder, 'log'), 'a')
    const settings = [
      ['fsync', 'off'],
      ['listen_addresses', ''],
      ['unix_socket_directories', join(this.#folder, 'files')],
      ['max_connections', '200'],
      ['shared_buffers', '16MB'],
    ].flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const words = [...AS_USER, '--pdeathsig', 'KILL', program('postgres'), '-D', this.#cluster, ...settings]
    this.#child = spawn('setpriv', words, { stdio: ['ignore', log, log], cwd: '/' })
    closeSync(log)
    await this.#ready(this.#child)
  }

  async stop(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await Promise.race([
      gone,
      delay(STOP_MS_MAX, undefined, { ref: false }).then(() => child.kill('SIGKILL')),
    ])
    await gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGINT')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #cluster(): string {
    return join(this.#folder, 'files', 'cluster')
  }

  async #ready(child: ChildProcess): Promise<void> {
    for (const deadline = performance.now() + READY_MS_MAX; ; await delay(20)) {
      const isUp = await this.query('SELECT 1').then(
        () => true,
        () => false,
      )
      if (isUp) return
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(
          `postgres did not start: ${readFileSync(join(this.#folder, 'log'), 'utf8').slice(-2_000)}`,
        )
    }
  }
}

const AS_USER = ['--reuid', USER, '--regid', USER, '--clear-groups']

/** Debian keeps the servers of each version in a folder of their own, outside PATH. */
function program(name: string): string {
  const versions = readdirSync(DEBIAN)
    .map(Number)
    .sort((a, b) => b - a)
  return join(DEBIAN, String(versions[0]), 'bin', name)
}

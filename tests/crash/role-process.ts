import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FromRole, ToRole } from '@holdfast/server/role-messages'
import type { RoleSettings } from '@holdfast/server/settings'

const MAIN = fileURLToPath(new URL('../../packages/server/src/main.js', import.meta.url))
const LOG_CHARACTERS_SHOWN = 4_000

/** What a role starts under, beside its settings. */
export interface RoleGround {
  /** Words before its command: another network namespace, another clock. */
  readonly wrapper: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export const PLAIN: RoleGround = { wrapper: [], environment: {} }

export interface Ready {
  readonly address: string
  readonly publicUrl: string | null
}

/** One role of an installation as a process, which a test kills, stops and starts as it likes. It dies with the test. */
export class RoleProcess implements AsyncDisposable {
  settings: RoleSettings
  readonly #logPath: string
  readonly #ground: RoleGround
  #child: ChildProcess | undefined

  constructor(settings: RoleSettings, logPath: string, ground: RoleGround = PLAIN) {
    this.settings = settings
    this.#logPath = logPath
    this.#ground = ground
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error(`${this.settings.role} does not run`)
    return pid
  }

  get log(): string {
    return readFileSync(this.#logPath, 'utf8')
  }

  /** Resolves once it answers. Rejects with what it wrote when it ends before that. */
  async start(): Promise<Ready> {
    const { wrapper, environment } = this.#ground
    const log = openSync(this.#logPath, 'a', 0o600)
    const command = ['--pdeathsig', 'KILL', ...wrapper, process.execPath, MAIN]
    const child = spawn('setpriv', command, {
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, NODE_NO_WARNINGS: '1', ...environment },
    })
    closeSync(log)
    this.#child = child
    const ready = Promise.withResolvers<Ready>()
    child.on('error', ready.reject)
    child.on('exit', () => ready.reject(new Error(`it ended: ${this.log.slice(-LOG_CHARACTERS_SHOWN)}`)))
    child.on('message', (message: FromRole) => {
      if (message.kind === 'ready') ready.resolve(message)
      else ready.reject(new Error(`${message.code}: ${message.message}`))
    })
    child.send({ kind: 'begin', settings: this.settings } satisfies ToRole, () => {})
    return await ready.promise
  }

  /** As a crash does: resolves when nothing of the process is left. */
  async kill(): Promise<void> {
    await this.end('SIGKILL')
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  /** SIGSTOP and SIGCONT: it is there, and does nothing. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    process.kill(this.pid, name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

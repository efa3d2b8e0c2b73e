import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Clock } from '@holdfast/base/clock'
import { Failure, type FailureDetails } from '@holdfast/base/failure'
import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import type { FromRole, ToRole } from '../role-messages.ts'
import type { HostOffer } from '../running-role.ts'
import type { RoleSettings } from '../settings.ts'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))
/** After the nth end in a row; the last one for all further ones. */
const RESTART_MS = [100, 500, 2000, 5000, 15_000] as const
/** A process that ran this long begins to count anew. */
const STEADY_MS = 60_000

export interface SupervisedRoleDeps {
  readonly clock: Clock
  /** What the role writes to its standard output and error is appended there. */
  readonly logPath: string
  /** Told of each start and end. */
  readonly onChange: (change: RoleChange) => void
}

export type RoleChange =
  | { readonly kind: 'ready'; readonly role: string; readonly pid: number }
  | { readonly kind: 'ended'; readonly role: string; readonly how: string; readonly restartMs: number }

export interface Readiness {
  readonly address: string
  readonly publicUrl: string | null
  /** Of a host. */
  readonly offer: HostOffer | null
}

/** The process of one role, started again whenever it ends, until it is disposed of. */
export class SupervisedRole implements AsyncDisposable {
  readonly #deps: SupervisedRoleDeps
  readonly #settings: RoleSettings
  readonly #stopping = new AbortController()
  #child: ChildProcess | undefined
  #ends = 0
  #watching: Promise<void> = Promise.resolve()

  constructor(deps: SupervisedRoleDeps, settings: RoleSettings) {
    this.#deps = deps
    this.#settings = settings
  }

  /** Of the present process. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves once the role answers. Rejects with the failure that kept it from starting, and does not try again then. */
  async start(): Promise<Readiness> {
    const { child, ready } = this.#spawn()
    const readiness = await ready
    this.#watching = this.#watch(child)
    return readiness
  }

  /** Asks the process to end, and ends it after `graceMs` whatever it does. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    const child = this.#child
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      const inTime = new AbortController()
      child.kill('SIGTERM')
      const late = this.#deps.clock.sleep(graceMs, inTime.signal).then(
        () => child.kill('SIGKILL'),
        () => false, // it was in time
      )
      await ended
      inTime.abort()
      await late
    }
    await this.#watching
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(0)
  }

  async #watch(first: ChildProcess): Promise<void> {
    const { clock, onChange } = this.#deps
    const { role } = this.#settings
    for (let child = first; ; ) {
      const startedAt = clock.monotonicMs()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      if (this.#stopping.signal.aborted) return
      this.#ends = clock.monotonicMs() - startedAt > STEADY_MS ? 1 : this.#ends + 1
      const restartMs = RESTART_MS[Math.min(this.#ends, RESTART_MS.length) - 1] ?? 0
      onChange({ kind: 'ended', role, how: howEnded(child), restartMs })
      const isWanted = await clock.sleep(restartMs, this.#stopping.signal).then(
        () => true,
        () => false,
      )
      if (!isWanted) return
      const next = this.#spawn()
      child = next.child
      next.ready.catch(() => {})
    }
  }

  #spawn(): { readonly child: ChildProcess; readonly ready: Promise<Readiness> } {
    const { logPath, onChange } = this.#deps
    const { role } = this.#settings
    const log = openSync(logPath, 'a', 0o600)
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
      stdio: ['ignore', log, log, 'ipc'],
      // A Ctrl-C at the terminal is the supervisor's to pass on, in order.
      detached: true,
    })
    closeSync(log)
    this.#child = child
    const ready = Promise.withResolvers<Readiness>()
    child.on('error', (error) =>
      ready.reject(new Failure('unsupported-here', `${role} cannot be started: ${error.message}`)),
    )
    child.on('exit', () =>
      ready.reject(new Failure('internal', `${role} ended before it was ready: see ${logPath}`, { logPath })),
    )
    child.on('message', (message: FromRole) => {
      if (message.kind === 'failed') return ready.reject(failureOf(message))
      onChange({ kind: 'ready', role, pid: child.pid ?? 0 })
      ready.resolve({ address: message.address, publicUrl: message.publicUrl, offer: message.offer })
    })
    child.send({ kind: 'begin', settings: this.#settings } satisfies ToRole, () => {})
    return { child, ready: ready.promise }
  }
}

function howEnded(child: ChildProcess): string {
  return child.signalCode === null ? `exit code ${child.exitCode}` : child.signalCode
}

function failureOf({ code, message, details }: { code: string; message: string; details: FailureDetails }) {
  return new Failure(isCode(code) ? code : 'internal', message, details)
}

function isCode(code: string): code is FailureCode {
  return code in FAILURES
}

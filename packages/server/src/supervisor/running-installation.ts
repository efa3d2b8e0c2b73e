import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { WriterLock } from '@holdfast/generations/directory/writer-lock'
import { Installation, type UpOptions } from '../installation.ts'
import type { HostOffer } from '../running-role.ts'
import type { Role, RoleSettings } from '../settings.ts'
import { type Readiness, type RoleChange, SupervisedRole } from './supervised-role.ts'

/** A role that has nothing to finish ends at once; a host has last commits to make. */
const END_MS = 5_000

export interface UpDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly onChange: (change: RoleChange) => void
}

/** All roles of one box, each a process of its own, started in the order of what they need. */
export class RunningInstallation implements AsyncDisposable {
  readonly url: string
  readonly appsUrl: string
  /** What its host works with. */
  readonly offer: HostOffer
  readonly #roles: ReadonlyMap<Role, SupervisedRole>
  readonly #opened: AsyncDisposable

  private constructor(
    { url, appsUrl, offer }: { readonly url: string; readonly appsUrl: string; readonly offer: HostOffer },
    roles: ReadonlyMap<Role, SupervisedRole>,
    opened: AsyncDisposable,
  ) {
    this.url = url
    this.appsUrl = appsUrl
    this.offer = offer
    this.#roles = roles
    this.#opened = opened
  }

  /** Rejects with `already-running` while another process runs this installation, and as its roles do. */
  static async start(deps: UpDeps, options: UpOptions): Promise<RunningInstallation> {
    await using stack = new AsyncDisposableStack()
    const installation = new Installation(options, deps.randomness)
    stack.use(lockOf(installation))
    const roles = new Map<Role, SupervisedRole>()
    const add = (settings: RoleSettings, endMs: number): (() => Promise<Readiness>) => {
      const role = new SupervisedRole({ ...deps, logPath: installation.logPath(settings.role) }, settings)
      roles.set(settings.role, role)
      stack.defer(() => role.stop(endMs))
      return () => role.start()
    }
    // In the order of what needs what: they end in reverse. They start beside one another, and wait for others to answer.
    const starts = [
      add(installation.lease(), END_MS),
      add(installation.control(), END_MS),
      add(installation.host(), options.graceMs + END_MS),
      add(installation.gateway(), END_MS),
    ] as const
    // The first that fails ends all: others may wait for it.
    const [, control, host, gateway] = await Promise.all(starts.map((start) => start()))
    const urls = { url: control?.publicUrl ?? '', appsUrl: gateway?.publicUrl ?? '' }
    installation.publish(urls)
    const offer = host?.offer ?? { runtimes: [], refused: [], volume: 'live' }
    return new RunningInstallation({ ...urls, offer }, roles, stack.move())
  }

  pidOf(role: Role): number | undefined {
    return this.#roles.get(role)?.pid
  }

  /** Ends the roles in reverse: the host commits the last generations while the others still answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
  }
}

/** Only one process runs an installation. */
function lockOf({ folder }: Installation): WriterLock {
  try {
    return WriterLock.take(folder)
  } catch (error) {
    if (!isFailure(error, 'lease-held')) throw error
    const pid = String(error.details.pid)
    throw new Failure('already-running', `process ${pid} runs the server of ${folder} already`, {
      pid,
      folder,
    })
  }
}

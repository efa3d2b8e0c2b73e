import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { Holdfast } from '@holdfast/client/holdfast'
import type { RuntimeKind } from '@holdfast/protocol/sandbox-spec'
import { Installation, type UpOptions } from '@holdfast/server/installation'
import { RunningInstallation } from '@holdfast/server/supervisor/running-installation'
import { SupervisedRole } from '@holdfast/server/supervisor/supervised-role'
import { unmountBelow } from '@holdfast/testkit/remove-tree'

const GRACE_MS = 30_000
const PORT_ANY = '127.0.0.1:0'

export interface InstallationWish {
  /** Of this installation alone. */
  readonly folder: string
  readonly runtime?: RuntimeKind
  /** Of the box; two are needed to move anything. */
  readonly hosts?: 1 | 2
}

/** An installation as `hold up` runs it, on free ports, every role a process of its own. */
export class BenchInstallation implements AsyncDisposable {
  readonly folder: string
  readonly holdfast: Holdfast
  readonly url: string
  readonly apiKey: string
  readonly #running: RunningInstallation
  readonly #opened: AsyncDisposable

  private constructor(folder: string, running: RunningInstallation, opened: AsyncDisposable) {
    this.folder = folder
    this.#running = running
    this.#opened = opened
    this.url = running.url
    this.apiKey = JSON.parse(readFileSync(join(folder, 'server.json'), 'utf8')).apiKey
    // A retry would hide a failure behind a long time: what fails counts as failed.
    this.holdfast = new Holdfast({ url: this.url, apiKey: this.apiKey, retry: { attemptsMax: 1 } })
  }

  static async start({ folder, runtime = 'runc', hosts = 1 }: InstallationWish): Promise<BenchInstallation> {
    const options: UpOptions = {
      home: folder,
      api: PORT_ANY,
      apps: PORT_ANY,
      store: null,
      database: null,
      runtimes: [runtime],
      volume: 'auto',
      graceMs: GRACE_MS,
    }
    await using stack = new AsyncDisposableStack()
    // A host leaves its volume mounted for the next one.
    stack.defer(() => unmountBelow(folder, '--lazy'))
    const deps = { clock: systemClock, randomness: systemRandomness, onChange: () => {} }
    const running = stack.use(await RunningInstallation.start(deps, options))
    if (hosts === 2) {
      const installation = new Installation(options, systemRandomness)
      const second = new SupervisedRole(
        { ...deps, logPath: installation.logPath('host1') },
        installation.host(1),
      )
      stack.defer(() => second.stop(GRACE_MS))
      await second.start()
    }
    return new BenchInstallation(folder, running, stack.move())
  }

  /** Of the process of a role. */
  pidOf(role: 'control' | 'host' | 'lease' | 'gateway'): number {
    return this.#running.pidOf(role) ?? 0
  }

  /** Stops the process of a role until the end of the scope. */
  standStill(role: 'control'): Disposable {
    const pid = this.pidOf(role)
    process.kill(pid, 'SIGSTOP')
    return { [Symbol.dispose]: () => void process.kill(pid, 'SIGCONT') }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
  }
}

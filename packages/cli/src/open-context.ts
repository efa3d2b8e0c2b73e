import type { Clock } from '@holdfast/base/clock'
import type { Randomness } from '@holdfast/base/randomness'
import type { Holdfast } from '@holdfast/client/holdfast'
import type { Workspace } from '@holdfast/client/workspace'
import type { DirectoryDeps, DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { Unfinished } from '@holdfast/generations/directory/unfinished'
import type { SignalSource } from '@holdfast/generations/directory/watch-signals'
import type { Config, Environment } from './config.ts'
import type { Use } from './directory-deps.ts'
import { onInterruption } from './interruption.ts'
import type { Output } from './output/output.ts'
import type { ProgressState } from './output/progress.ts'
import { StoreTraffic } from './store-traffic.ts'
import type { TerminalPort } from './terminal-port.ts'

/** What a command line runs on. */
export interface Ground {
  readonly environment: Environment
  readonly clock: Clock
  readonly randomness: Randomness
  readonly isRoot: boolean
  /** True where a Ctrl-C reaches the commands that this process runs too. */
  readonly onTerminal: boolean
  /** Puts a question to the person at the terminal, and gives what they typed. */
  readonly ask: (question: string) => Promise<string>
  readonly signals: SignalSource
  readonly terminal: TerminalPort
  /** Ends the process at once. */
  readonly end: (exitCode: number) => void
}

/** What a command runs on: the settings that its line came to, and where it prints. */
interface CommandGround extends Ground {
  readonly config: Config
  readonly output: Output
}

/**
 * The composition root: which store, index, clock and threads a command works with. What a command does not ask for is
 * never opened; what was opened is closed in reverse.
 */
export class Context implements AsyncDisposable {
  readonly config: Config
  readonly environment: Environment
  readonly output: Output
  readonly clock: Clock
  readonly randomness: Randomness
  readonly isRoot: boolean
  readonly onTerminal: boolean
  readonly ask: Ground['ask']
  readonly signals: SignalSource
  readonly terminal: TerminalPort
  readonly traffic = new StoreTraffic()
  readonly #unfinished = new Unfinished()
  /** Ends the process at once. */
  readonly end: Ground['end']
  readonly #opened = new AsyncDisposableStack()
  #server: Promise<Holdfast> | undefined

  constructor(ground: CommandGround) {
    this.config = ground.config
    this.environment = ground.environment
    this.output = ground.output
    this.clock = ground.clock
    this.randomness = ground.randomness
    this.isRoot = ground.isRoot
    this.onTerminal = ground.onTerminal
    this.ask = ground.ask
    this.signals = ground.signals
    this.terminal = ground.terminal
    this.end = ground.end
  }

  /** What operations on directories need. The engine is loaded at its first use: most commands do without. */
  async deps(use: Use): Promise<DirectoryDeps> {
    const { openDirectoryDeps } = await import('./directory-deps.ts')
    return await openDirectoryDeps(this, use, this.#unfinished)
  }

  /** The directory at a path, which may be gone. Rejects with `not-found`. */
  async directory(path: string, use: Use): Promise<DurableDirectory> {
    const { openDirectory } = await import('./directory-deps.ts')
    return this.#opened.use(await openDirectory(await this.deps(use), path))
  }

  /** The server that the settings name. Rejects with `server-unreachable` where they name none. */
  async server(): Promise<Holdfast> {
    this.#server ??= import('./server-access.ts').then(({ openServer }) => openServer(this.config))
    return await this.#server
  }

  /** The workspace of a name, an id, or the beginning of an id. Rejects with `not-found`. */
  async workspace(named: string): Promise<Workspace> {
    const { findWorkspace } = await import('./server-access.ts')
    return await findWorkspace(await this.server(), named)
  }

  /**
   * Shows people how far `work` is, and measures how long it takes. A signal that ends the process takes what is not
   * finished with it.
   */
  async timed<T>(
    label: string,
    source: () => ProgressState,
    work: () => Promise<T>,
  ): Promise<{ readonly result: T; readonly elapsedMs: number }> {
    const startedMs = this.clock.monotonicMs()
    using _interruptible = onInterruption(this.signals, (exitCode) => {
      this.#unfinished.removeAll()
      this.output.showEnd(`hold: interrupted while ${label}`)
      this.end(exitCode)
    })
    const result = await this.output.during(label, source, work)
    return { result, elapsedMs: this.clock.monotonicMs() - startedMs }
  }

  /** Closed together with the rest. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    return this.#opened.use(resource)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync()
  }
}

import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { type DirectoryDeps, DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { Home } from '@holdfast/generations/directory/home'
import { Unfinished } from '@holdfast/generations/directory/unfinished'
import type { SignalSource } from '@holdfast/generations/directory/watch-signals'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { openObjectStore } from '@holdfast/generations/store/open-object-store'
import type { Config, Environment } from './config.ts'
import { onInterruption } from './interruption.ts'
import type { Output } from './output/output.ts'
import type { ProgressState } from './output/progress.ts'
import { CountedObjectStore, StoreTraffic } from './store-traffic.ts'

/** What the process stands on. */
export interface Ground {
  readonly config: Config
  readonly environment: Environment
  readonly output: Output
  readonly clock: Clock
  readonly randomness: Randomness
  readonly isRoot: boolean
  readonly onTerminal: boolean
  readonly ask: (question: string) => Promise<string>
  readonly signals: SignalSource
  /** Ends the process at once. */
  readonly end: (exitCode: number) => void
}

/** `reading` starts no native companion; only `beginning` makes a history where there is none. */
export type Use = 'reading' | 'writing' | 'beginning'

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
  readonly traffic = new StoreTraffic()
  readonly #unfinished = new Unfinished()
  readonly #end: Ground['end']
  readonly #opened = new AsyncDisposableStack()
  #home: Home | undefined

  constructor(ground: Ground) {
    this.config = ground.config
    this.environment = ground.environment
    this.output = ground.output
    this.clock = ground.clock
    this.randomness = ground.randomness
    this.isRoot = ground.isRoot
    this.onTerminal = ground.onTerminal
    this.ask = ground.ask
    this.signals = ground.signals
    this.#end = ground.end
  }

  /** The registry of this user's directories, made at its first use. Rejects with `no-permission`. */
  get home(): Home {
    this.#home ??= openHome(this.config.home.value)
    return this.#home
  }

  /** What operations on directories need. */
  async deps(use: Use): Promise<DirectoryDeps> {
    const threads = this.config.threads.value
    const started =
      use !== 'reading' ? this.#opened.use(await Holdfs.start({ clock: this.clock })) : undefined
    const s3Credentials = this.config.s3Credentials.reveal() ?? 'aws'
    return {
      home: this.home,
      clock: this.clock,
      randomness: this.randomness,
      get holdfs(): Holdfs {
        if (started) return started
        throw new Failure('internal', 'a command that only reads asked for the native companion')
      },
      pool: this.#opened.use(new StagePool(threads)),
      threads,
      isRoot: this.isRoot,
      openStore: async (address) => {
        const { clock, randomness } = this
        const store = await openObjectStore(address, { clock, randomness, s3Credentials })
        return new CountedObjectStore(store, this.traffic)
      },
      openIndex: (path) => openHistory(path, use === 'beginning'),
      unfinished: this.#unfinished,
    }
  }

  /** The directory at a path, which may be gone. Rejects with `not-found`. */
  async directory(path: string, use: Use): Promise<DurableDirectory> {
    return this.#opened.use(await DurableDirectory.open(await this.deps(use), path))
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
      this.#end(exitCode)
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

function openHome(path: string): Home {
  try {
    return new Home(path)
  } catch (error) {
    const errno = errnoOf(error) ?? 'unknown'
    throw new Failure(
      'no-permission',
      `cannot make ${path} (${errno}): set HOLDFAST_HOME to a directory of your own`,
      { path, errno },
      error,
    )
  }
}

/** Rejects with `history-corrupt` where the history must be there and is not. */
async function openHistory(path: string, mayBegin: boolean): Promise<SqliteGenerationIndex> {
  try {
    return await SqliteGenerationIndex.open({ path, mustExist: !mayBegin })
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error
    throw new Failure('history-corrupt', `the history ${path} is gone`, { path }, error)
  }
}

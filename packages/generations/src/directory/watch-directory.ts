import { Failure, isFailure } from '@holdfast/base/failure'
import type { CommittedGeneration } from '../commit/committer.ts'
import { Holdfs } from '../holdfs/holdfs.ts'
import type { Volume } from '../volume/volume.ts'
import { ControlServer } from './control-server.ts'
import { type DirectoryDeps, type DirectoryWriter, DurableDirectory } from './durable-directory.ts'
import type { MaintenancePolicy } from './maintenance-policy.ts'
import { openVolume } from './open-volume.ts'
import { putBudgetFor } from './put-budget.ts'
import { RightOfWay } from './right-of-way.ts'
import { Wakeup } from './wakeup.ts'
import type { CommandEnd } from './watch-command.ts'
import { WatchLoop } from './watch-loop.ts'
import { WatchMaintenance } from './watch-maintenance.ts'
import type { CommitAnswer } from './watch-requests.ts'
import { WatchRounds } from './watch-rounds.ts'
import { percentile, type WatchStatus } from './watch-status.ts'
import { Workload, type WorkloadRequest } from './workload.ts'

/** Whoever waits for news looks this often all the same. */
const NEWS_MS_MAX = 60_000
const EVERY_MS_DEFAULT = 1000
const EVERY_MS_MIN = 10
const EVERY_MS_MAX = 24 * 3600 * 1000
const MESSAGE_CHARS_MAX = 4096

export interface WatchRequest extends WorkloadRequest {
  readonly path: string
  /**
   * How often to look for changes; 1 s when absent. Reading a large directory takes its own time, and a store on S3 has a
   * `PutBudget`.
   */
  readonly everyMs?: number
  /** What differs from `MAINTENANCE_POLICY`. */
  readonly maintenance?: Partial<MaintenancePolicy>
}

/** How a watch ended. */
export interface WatchEnd {
  /** How the command ended; null where there was none. */
  readonly command: CommandEnd | null
  /** Why the last state is not in the history; null when it is. */
  readonly failure: Failure | null
  readonly head: string | null
  readonly sequence: number
}

interface WatchParts {
  readonly directory: DurableDirectory
  readonly writer: DirectoryWriter
  readonly volume: Volume
  readonly workload: Workload
  readonly maintenance: WatchMaintenance
  readonly rightOfWay: RightOfWay
  /** Rung when there may be something to tell. */
  readonly news: Wakeup
}

/**
 * Commits a directory again and again while a command, or anybody, writes it, until the command ends or `stop`. Rejects
 * with `lease-held` while another process writes this history, with `not-found`, `invalid-argument` or
 * `unsupported-here`; a command is started only when all else is ready.
 */
export async function watchDirectory(deps: DirectoryDeps, request: WatchRequest): Promise<DirectoryWatch> {
  const everyMs = request.everyMs ?? EVERY_MS_DEFAULT
  if (!(everyMs >= EVERY_MS_MIN && everyMs <= EVERY_MS_MAX))
    throw new Failure('invalid-argument', `the cadence is between ${EVERY_MS_MIN} ms and a day`, { everyMs })
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await DurableDirectory.open(deps, request.path))
  const writer = stack.use(await directory.openWriter())
  const volume = stack.use(await openVolume(directory))
  const control = stack.use(await ControlServer.listen(directory.folder))
  const { lease } = writer
  const policy = request.maintenance ?? {}
  const rightOfWay = new RightOfWay(deps.clock)
  const news = new Wakeup(deps.clock)
  const onWork = () => news.ring()
  const maintenance = stack.use(await WatchMaintenance.open(directory, { lease, policy, rightOfWay, onWork }))
  const workload = await Workload.open(deps, directory.folder, request)
  const parts = { directory, writer, volume, workload, maintenance, rightOfWay, news }
  const watch = new DirectoryWatch(parts, everyMs, stack.move())
  control.serve(watch)
  return watch
}

/** A running watch. It holds the right to write the history until it has ended. */
export class DirectoryWatch implements AsyncDisposable {
  /** Resolves once the last commit is made, the command has ended, and all is closed. */
  readonly ended: Promise<WatchEnd>
  readonly #parts: WatchParts
  readonly #rounds: WatchRounds
  readonly #loop: WatchLoop
  #hasFailed = false

  constructor(parts: WatchParts, everyMs: number, opened: AsyncDisposable) {
    const { rightOfWay } = parts
    const { clock } = parts.directory.deps
    this.#parts = parts
    this.#rounds = new WatchRounds({ ...parts, clock })
    const saveState = () => parts.writer.saveState()
    const budget = putBudgetFor(parts.directory.store.address, clock.monotonicMs())
    const onCommitted = (generation: CommittedGeneration) => {
      parts.maintenance.noteCommit(generation)
      parts.news.ring()
    }
    const onFailed = () => parts.news.ring()
    const timing = { everyMs, budget, rightOfWay }
    this.#loop = new WatchLoop({ clock, rounds: this.#rounds, ...timing, saveState, onCommitted, onFailed })
    this.ended = this.#run(opened).finally(() => parts.news.ring())
  }

  /** Of the command, while and after it runs; null where there is none. */
  get commandPid(): number | null {
    return this.#parts.workload.command?.pid ?? null
  }

  /** Durable when it resolves: all that was written before the call. Rejects as a commit does. */
  sync(): Promise<CommitAnswer> {
    return this.#loop.request({ kind: 'sync' })
  }

  /** A generation with a message, durable when it resolves. Rejects with `invalid-argument`, and as a commit does. */
  checkpoint(message: string): Promise<CommitAnswer> {
    if (message.length <= MESSAGE_CHARS_MAX) return this.#loop.request({ kind: 'checkpoint', message })
    return Promise.reject(
      new Failure('invalid-argument', `a message has at most ${MESSAGE_CHARS_MAX} characters`),
    )
  }

  /** Asks the command to end, and ends after it with a last commit; without a command at once. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): void {
    const { command } = this.#parts.workload
    if (command) command.signal(signal)
    else this.#loop.finish()
  }

  status(): WatchStatus {
    const { directory, volume, writer, workload, maintenance } = this.#parts
    const rounds = this.#rounds
    const sinceSettledMs = directory.deps.clock.monotonicMs() - rounds.settledAt
    return {
      state: this.#hasFailed ? 'failed' : this.#loop.isFinishing ? 'stopping' : 'watching',
      path: directory.config.path,
      volume: volume.kind,
      consistency: workload.freezer ? 'cut' : 'per-database',
      head: writer.head?.id ?? null,
      sequence: writer.head?.sequence ?? 0,
      lastCommittedAt: this.#loop.lastCommittedAt,
      rpoMs: this.#loop.rpoMs,
      lagMs: rounds.isStill() ? 0 : sinceSettledMs,
      pending: !rounds.isStill(),
      frozenMs: rounds.frozenMs.at(-1) ?? 0,
      frozenMsP95: percentile(rounds.frozenMs, 0.95),
      scanMs: rounds.scanMs,
      lastFailure: this.#loop.lastFailure,
      commandPid: this.commandPid,
      maintenance: maintenance.status,
    }
  }

  /** Resolves when `status` may have something new to tell: a generation, a failure, work of maintenance, the end. */
  news(): Promise<void> {
    return this.#parts.news.sleep(NEWS_MS_MAX)
  }

  /** Stops the watch and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop()
    await this.ended
  }

  async #run(opened: AsyncDisposable): Promise<WatchEnd> {
    await using _opened = opened
    const { workload, writer, maintenance } = this.#parts
    const command = workload.command?.ended.then((end) => {
      this.#loop.finish()
      return end
    })
    const failure = await this.#loop.run()
    this.#hasFailed = failure !== null
    await maintenance[Symbol.asyncDispose]()
    if (isFailure(failure, 'helper-failed')) await this.#thawWithoutHelper()
    const commandEnd = (await command) ?? null
    await workload.close()
    return {
      command: commandEnd,
      failure,
      head: writer.head?.id ?? null,
      sequence: writer.head?.sequence ?? 0,
    }
  }

  /** A native helper that was killed left frozen what it had frozen. */
  async #thawWithoutHelper(): Promise<void> {
    await using holdfs = await Holdfs.start({ clock: this.#parts.directory.deps.clock })
    await this.#parts.workload.thaw(holdfs)
  }
}

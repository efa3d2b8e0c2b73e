import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Failure, isFailure } from '@holdfast/base/failure'
import { parseWatchdogLine, refusalOf, type WatchdogLine } from './watchdog-lines.ts'

export interface WatchdogOptions {
  /** The program `holdwatch`. */
  readonly binary: string
  /** Its lock and its mirror lie there; one watchdog a folder. Best in memory: nothing of it outlives the boot. */
  readonly directory: string
  /** A deadline passed, or `kill` was asked for, and nobody is left in that sandbox. */
  readonly onKilled?: (name: string, lateMs: number) => void
  /** It has ended although nobody asked for that; another one is started, and told all anew. */
  readonly onLost?: (failure: Failure) => void
  /** It ended once too often and is not started again: nothing more may begin under it. */
  readonly onGone?: (failure: Failure) => void
}

/** A sandbox, and the instant of CLOCK_BOOTTIME after which nothing of it runs. */
export interface Watched {
  /** Letters, digits, `_`, `.` and `-`, at most 64. */
  readonly name: string
  readonly deadlineBootMs: number
  /** The directory of its freezer cgroup, and of the one of version 2 where there is one. */
  readonly cgroups: readonly string[]
}

interface Asked {
  readonly name: string
  readonly resolve: () => void
  readonly reject: (failure: Failure) => void
}

/** In the life of an agent: two agents over one folder, which must not be, would take it from each other for ever. */
const RESTARTS_MAX = 5

/**
 * The host agent's end of `holdwatch`. What was watched is killed at its deadline whatever happens to this process; it
 * does not end with it. A call resolves when the watchdog has taken the request and would still know it after a crash of
 * its own. Rejects with `helper-failed` when there is no watchdog.
 */
export class Watchdog implements AsyncDisposable {
  readonly #options: WatchdogOptions
  readonly #watched = new Map<string, Watched>()
  readonly #found = new Set<string>()
  readonly #asked = new Map<number, Asked>()
  readonly #killed = new Map<string, PromiseWithResolvers<void>>()
  #child!: ChildProcess
  #last = 0
  #restarts = 0
  #isClosed = false

  private constructor(options: WatchdogOptions) {
    this.#options = options
  }

  /** Replaces the watchdog of an earlier agent, and goes on with what that one watched. */
  static async start(options: WatchdogOptions): Promise<Watchdog> {
    const watchdog = new Watchdog(options)
    await watchdog.#spawn()
    return watchdog
  }

  /** What an earlier watchdog of this folder watched when this one began: nobody has proven that it may still run. */
  get found(): readonly string[] {
    return [...this.#found]
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Rejects with `lease-lost` when a sandbox of that name is being killed. */
  async watch(watched: Watched): Promise<void> {
    const { name, deadlineBootMs, cgroups } = watched
    if (cgroups.some((path) => /\s/.test(path)))
      throw new Failure('invalid-argument', 'a cgroup has no blanks in its path', { name })
    await this.#ask('watch', name, Math.floor(deadlineBootMs), ...cgroups)
    this.#watched.set(name, watched)
    this.#found.delete(name)
  }

  /** Rejects with `lease-lost` once the deadline has passed: there is no way back. */
  async extend(name: string, deadlineBootMs: number): Promise<void> {
    await this.#ask('extend', name, Math.floor(deadlineBootMs))
    const watched = this.#watched.get(name)
    if (watched) this.#watched.set(name, { ...watched, deadlineBootMs })
  }

  /** Of a sandbox that has ended. Of one that is being killed, that goes on. */
  async forget(name: string): Promise<void> {
    this.#watched.delete(name)
    this.#found.delete(name)
    await this.#ask('forget', name).catch((error) => {
      if (!isFailure(error, 'lease-lost', 'not-found')) throw error
    })
  }

  /** Resolves when nobody is left in it, at once where nobody is known. */
  async kill(name: string): Promise<void> {
    const killed = this.#killed.get(name) ?? Promise.withResolvers<void>()
    this.#killed.set(name, killed)
    await this.#ask('kill', name).catch((error) => {
      this.#killed.delete(name)
      if (!isFailure(error, 'not-found')) throw error
      killed.resolve()
    })
    await killed.promise
  }

  /** Lets go of the watchdog: it ends when there is nothing left to watch. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#child.stdin?.end()
    this.#child.unref()
    this.#child.stdout?.destroy()
  }

  #spawn(): Promise<void> {
    const { binary, directory } = this.#options
    const child = spawn(binary, [directory], { stdio: ['pipe', 'pipe', 'ignore'], detached: true, env: {} })
    this.#child = child
    child.stdin.on('error', () => {})
    const ready = Promise.withResolvers<void>()
    createInterface({ input: child.stdout }).on('line', (text) =>
      this.#hear(parseWatchdogLine(text), ready.resolve),
    )
    child.on('error', (error) =>
      ready.reject(new Failure('helper-failed', `${binary} does not start`, {}, error)),
    )
    child.on('exit', (code, signal) => {
      const failure = new Failure('helper-failed', 'the watchdog has ended', { code, signal })
      ready.reject(failure)
      if (this.#child === child) this.#lose(failure)
    })
    return ready.promise
  }

  #hear(line: WatchdogLine, ready: () => void): void {
    switch (line.kind) {
      case 'ready':
        ready()
        break
      case 'found':
        if (!this.#watched.has(line.name)) this.#found.add(line.name)
        break
      case 'killed':
        this.#noteKilled(line.name, line.lateMs)
        break
      case 'answer':
        this.#settle(line.number, line.failure)
        break
    }
  }

  #settle(number: number, failure: string | null): void {
    const asked = this.#asked.get(number)
    this.#asked.delete(number)
    if (failure === null) asked?.resolve()
    else asked?.reject(refusalOf(failure, asked.name))
  }

  #noteKilled(name: string, lateMs: number): void {
    this.#watched.delete(name)
    this.#found.delete(name)
    this.#killed.get(name)?.resolve()
    this.#killed.delete(name)
    this.#options.onKilled?.(name, lateMs)
  }

  #ask(verb: string, name: string, ...words: readonly (string | number)[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const number = ++this.#last
    if (this.#isClosed || this.#child.exitCode !== null || this.#child.signalCode !== null)
      return Promise.reject(new Failure('helper-failed', 'there is no watchdog'))
    this.#asked.set(number, { name, resolve, reject })
    this.#child.stdin?.write(`${[number, verb, name, ...words].join(' ')}\n`)
    return promise
  }

  /** Its successor knows by the mirror what was watched, and hears of what it may have missed. */
  #lose(failure: Failure): void {
    for (const { reject } of this.#asked.values()) reject(failure)
    this.#asked.clear()
    if (this.#isClosed) return
    this.#options.onLost?.(failure)
    if (++this.#restarts > RESTARTS_MAX) {
      this.#options.onGone?.(failure)
      return
    }
    const watched = [...this.#watched.values()]
    this.#spawn()
      .then(() => Promise.all(watched.map((each) => this.watch(each))))
      .catch(() => {}) // who extends next hears of it
  }
}

import { statSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { fromText } from '../format/byte-string.ts'
import { DatabaseGuard } from '../live-sqlite/database-guard.ts'
import { Freeze, type FreezeDeps } from './freezer.ts'
import type { Capture, Freezer, Image, Volume } from './volume.ts'

export interface LiveVolumeDeps extends FreezeDeps {
  readonly randomness: Randomness
}

/**
 * Any directory, read in place: the writers stand still until every byte of a capture has been read. Without a freezer
 * they run on, and only each database is of one instant. Large databases are pinned from one commit to the next, so
 * that a capture reads what changed in them.
 */
export class LiveVolume implements Volume {
  readonly kind = 'live'
  readonly path: string
  readonly #deps: LiveVolumeDeps
  readonly #guard: DatabaseGuard
  /** The pins move on while nobody waits; the next capture does. */
  #movedOn: Promise<void> = Promise.resolve()

  constructor(deps: LiveVolumeDeps, path: string) {
    this.#deps = deps
    this.path = path
    this.#guard = new DatabaseGuard(fromText(path), deps.randomness)
  }

  /** Rejects also with `not-found` when the directory is gone: its absence is never committed as emptiness. */
  async capture(freezer: Freezer | null): Promise<Capture> {
    if (!statSync(this.path, { throwIfNoEntry: false })?.isDirectory())
      throw new Failure('not-found', `${this.path} is not a directory`, { path: this.path })
    await this.#movedOn
    const accept = () => {
      this.#movedOn = this.#guard.afterCommit()
    }
    return freezer
      ? new FrozenCapture(await Freeze.take(this.#deps, freezer), {
          path: this.path,
          guard: this.#guard,
          accept,
        })
      : new RunningCapture({ path: this.path, guard: this.#guard, accept })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#movedOn
    await this.#guard[Symbol.asyncDispose]()
  }
}

interface LiveCaptureDeps {
  readonly path: string
  readonly guard: DatabaseGuard
  readonly accept: () => void
}

class FrozenCapture implements Capture {
  readonly image: Image
  readonly #freeze: Freeze
  readonly #deps: LiveCaptureDeps

  constructor(freeze: Freeze, deps: LiveCaptureDeps) {
    this.#freeze = freeze
    this.#deps = deps
    this.image = {
      path: deps.path,
      changes: { kind: 'unknown' },
      consistency: 'cut',
      holdDatabases: (databases) => deps.guard.pinned(databases),
      release: () => freeze.release(),
    }
  }

  get frozenMs(): number {
    return this.#freeze.frozenMs
  }

  async accept(): Promise<void> {
    this.#deps.accept()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#freeze.release()
  }
}

class RunningCapture implements Capture {
  readonly image: Image
  readonly frozenMs = 0
  readonly #deps: LiveCaptureDeps

  constructor(deps: LiveCaptureDeps) {
    this.#deps = deps
    this.image = {
      path: deps.path,
      changes: { kind: 'unknown' },
      consistency: 'per-database',
      holdDatabases: (databases) => deps.guard.hold(databases),
      release: () => this.#release(),
    }
  }

  async accept(): Promise<void> {
    this.#deps.accept()
  }

  async #release(): Promise<void> {
    if (await this.#deps.guard.letGo()) return
    throw new Failure('file-unstable', 'the locks on databases were lost while they were read')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#deps.guard.letGo()
  }
}

import { statSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'
import { Freeze, type FreezeDeps } from './freezer.ts'
import type { Capture, Freezer, Image, Volume } from './volume.ts'

/**
 * Any directory, read in place: the writers stand still until every byte of a capture has been read. Without a freezer
 * they run on, and only each database is of one instant.
 */
export class LiveVolume implements Volume {
  readonly kind = 'live'
  readonly path: string
  readonly #deps: FreezeDeps

  constructor(deps: FreezeDeps, path: string) {
    this.#deps = deps
    this.path = path
  }

  /** Rejects also with `not-found` when the directory is gone: its absence is never committed as emptiness. */
  async capture(freezer: Freezer | null): Promise<Capture> {
    if (!statSync(this.path, { throwIfNoEntry: false })?.isDirectory())
      throw new Failure('not-found', `${this.path} is not a directory`, { path: this.path })
    return new LiveCapture(this.path, freezer && (await Freeze.take(this.#deps, freezer)))
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

class LiveCapture implements Capture {
  readonly image: Image
  readonly #freeze: Freeze | null

  constructor(path: string, freeze: Freeze | null) {
    this.#freeze = freeze
    this.image = {
      path,
      changes: { kind: 'unknown' },
      consistency: freeze ? 'cut' : 'per-database',
      release: async () => freeze?.release(),
    }
  }

  get frozenMs(): number {
    return this.#freeze?.frozenMs ?? 0
  }

  async accept(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#freeze?.release()
  }
}

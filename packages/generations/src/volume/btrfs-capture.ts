import type { Capture, Image } from './volume.ts'

export interface TakenSnapshot {
  readonly image: Image
  readonly frozenMs: number
  readonly accept: (generation: string, keep: boolean) => Promise<void>
  /** Deletes the snapshot. */
  readonly discard: () => Promise<void>
}

/** A read-only snapshot: it stays when a generation is made of it, else it goes with this object. */
export class BtrfsCapture implements Capture {
  readonly image: Image
  readonly frozenMs: number
  readonly #taken: TakenSnapshot
  #accepted = false

  constructor(taken: TakenSnapshot) {
    this.image = taken.image
    this.frozenMs = taken.frozenMs
    this.#taken = taken
  }

  async accept(generation: string, options: { readonly keep?: boolean } = {}): Promise<void> {
    this.#accepted = true
    await this.#taken.accept(generation, options.keep ?? false)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#accepted) await this.#taken.discard()
  }
}

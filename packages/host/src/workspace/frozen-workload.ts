import type { RoundWorkload } from '@holdfast/generations/directory/watch-rounds'
import { fromText } from '@holdfast/generations/format/byte-string'
import { Freeze, type FreezeDeps } from '@holdfast/generations/volume/freezer'
import type { Capture, Freezer, Image, Volume } from '@holdfast/generations/volume/volume'
import type { Sandbox } from '@holdfast/sandbox/runtime'
import { Serial } from './serial.ts'

/** What stands still already needs nobody to stop it. */
const STILL: Freezer = { cgroups: [], pids: () => [] }

/**
 * What writes the files of a workspace: all that runs in its sandbox. It can be frozen for longer than one capture, and
 * is still once the sandbox has ended.
 */
export class FrozenWorkload implements RoundWorkload {
  readonly #deps: FreezeDeps
  readonly #sandbox: Sandbox
  /** Whoever thaws what another froze would tear its cut. */
  readonly #turns = new Serial()
  #isStill = false
  #freeze: Freeze | undefined

  constructor(deps: FreezeDeps, sandbox: Sandbox) {
    this.#deps = deps
    this.#sandbox = sandbox
  }

  get freezer(): Freezer | null {
    if (this.#isStill) return STILL
    const cgroups = this.#sandbox.cgroups.map(fromText)
    return cgroups.length === 0 ? null : { cgroups, pids: () => [] }
  }

  cpuNs(): number | null {
    return this.#isStill ? null : this.#sandbox.cpuNs()
  }

  /** The sandbox has ended. */
  noteEnd(): void {
    this.#isStill = true
  }

  /**
   * A capture never meets a freeze of `slow` or `freeze`, for as long as it freezes itself: whoever froze first would thaw
   * what the other believes to be still.
   */
  capture(volume: Volume, freezer: Freezer | null): Promise<Capture> {
    const taken = Promise.withResolvers<Capture>()
    const turn = this.#turns.run(async () => {
      const released = Promise.withResolvers<void>()
      const capture = await volume.capture(freezer)
      const isFrozen = volume.kind === 'live' && freezer !== null
      taken.resolve(isFrozen ? new FrozenCapture(capture, released.resolve) : capture)
      if (isFrozen) await released.promise
    })
    turn.catch(taken.reject)
    return taken.promise
  }

  /** Stops the writers for a moment; captures wait for its end. Without cgroups nothing is stopped. Rejects as `Freeze.take`. */
  slow(ms: number): Promise<void> {
    return this.#turns.run(async () => {
      const { freezer } = this
      if (freezer === null || this.#isStill) return
      await using _freeze = await Freeze.take(this.#deps, freezer)
      await this.#deps.clock.sleep(ms)
    })
  }

  /** Freezes until `thaw`; without cgroups nothing is stopped. Rejects as `Freeze.take` does. */
  freeze(): Promise<void> {
    return this.#turns.run(async () => {
      const { freezer } = this
      if (freezer === null || this.#isStill) return
      this.#freeze = await Freeze.take(this.#deps, freezer)
      this.#isStill = true
    })
  }

  async thaw(): Promise<void> {
    const freeze = this.#freeze
    if (freeze === undefined) return
    this.#freeze = undefined
    this.#isStill = false
    await freeze.release()
  }
}

/** A capture that tells when what it froze runs again. */
class FrozenCapture implements Capture {
  readonly image: Image
  readonly #capture: Capture
  readonly #onReleased: () => void

  constructor(capture: Capture, onReleased: () => void) {
    this.#capture = capture
    this.#onReleased = onReleased
    const { release } = capture.image
    this.image = {
      ...capture.image,
      release: async () => {
        try {
          await release?.()
        } finally {
          onReleased()
        }
      },
    }
  }

  get frozenMs(): number {
    return this.#capture.frozenMs
  }

  accept(...accepted: Parameters<Capture['accept']>): Promise<void> {
    return this.#capture.accept(...accepted)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#capture[Symbol.asyncDispose]()
    } finally {
      this.#onReleased()
    }
  }
}

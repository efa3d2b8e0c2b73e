import type { RoundWorkload } from '@holdfast/generations/directory/watch-rounds'
import { fromText } from '@holdfast/generations/format/byte-string'
import { Freeze, type FreezeDeps } from '@holdfast/generations/volume/freezer'
import type { Capture, Freezer, Image, Volume } from '@holdfast/generations/volume/volume'
import type { Sandbox } from '@holdfast/sandbox/runtime'
import { Serial } from './serial.ts'

/** Of a sandbox, what is needed to freeze it. */
type Writers = Pick<Sandbox, 'cgroups' | 'cpuNs'>

/** What stands still already needs nobody to stop it. */
const STILL: Freezer = { cgroups: [], pids: () => [] }

/**
 * What writes the files of a workspace: all that runs in its sandbox. It can be frozen for longer than one capture, and
 * is still once the sandbox has ended.
 */
export class FrozenWorkload implements RoundWorkload {
  readonly #deps: FreezeDeps
  readonly #sandbox: Writers
  /** Whoever thaws what another froze would tear its cut. */
  readonly #turns = new Serial()
  #isStill = false
  #freeze: Freeze | undefined

  constructor(deps: FreezeDeps, sandbox: Writers) {
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

  /** A capture never meets a freeze of `slow` or `freeze` half way, nor do they begin before it lets its writers go on. */
  capture(volume: Volume, freezer: Freezer | null): Promise<Capture> {
    const { promise, resolve, reject } = Promise.withResolvers<Capture>()
    const turn = this.#turns.run(async () => {
      const capture = new AttendedCapture(await volume.capture(freezer))
      resolve(capture)
      await capture.goneOn
    })
    turn.catch(reject)
    return promise
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

/** Tells when its writers go on: a freeze that begins before would end with it. */
class AttendedCapture implements Capture {
  readonly image: Image
  readonly #capture: Capture
  readonly #goingOn = Promise.withResolvers<void>()

  constructor(capture: Capture) {
    this.#capture = capture
    const { image } = capture
    const release = () => this.#goOn(async () => await image.release?.())
    this.image = { ...image, release }
    if (image.takenAtMs !== undefined) this.#goingOn.resolve()
  }

  get goneOn(): Promise<void> {
    return this.#goingOn.promise
  }

  get frozenMs(): number {
    return this.#capture.frozenMs
  }

  accept(...generation: Parameters<Capture['accept']>): Promise<void> {
    return this.#capture.accept(...generation)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#goOn(async () => await this.#capture[Symbol.asyncDispose]())
  }

  async #goOn(release: () => Promise<void>): Promise<void> {
    try {
      await release()
    } finally {
      this.#goingOn.resolve()
    }
  }
}

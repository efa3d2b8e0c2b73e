/** Chunks looked at, or bytes encoded, between two turns of others: a few milliseconds, since a commit waits some twenty times. */
const CHUNKS_A_TURN = 2000
const BYTES_A_TURN = 256 << 10

/** Resolves when nothing goes first. */
export type GiveWay = () => Promise<void>

/** Long work in slices, so that commits of the same process come to their turn in between. */
export class Turns {
  readonly #unitsATurn: number
  readonly #giveWay: GiveWay | undefined
  #units = 0

  private constructor(unitsATurn: number, giveWay: GiveWay | undefined) {
    this.#unitsATurn = unitsATurn
    this.#giveWay = giveWay
  }

  static ofChunks(giveWay?: GiveWay): Turns {
    return new Turns(CHUNKS_A_TURN, giveWay)
  }

  static ofBytes(giveWay?: GiveWay): Turns {
    return new Turns(BYTES_A_TURN, giveWay)
  }

  /** Counts work; true when it is time to `pass`. */
  isOver(units = 1): boolean {
    this.#units += units
    return this.#units >= this.#unitsATurn
  }

  /** Resolves when what waited meanwhile has had its turn. */
  async pass(): Promise<void> {
    this.#units = 0
    await new Promise((resolve) => setImmediate(resolve))
    await this.#giveWay?.()
  }
}

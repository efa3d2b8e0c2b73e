/** Chunks looked at, or bytes encoded, between two turns of others: some milliseconds of work. */
const CHUNKS_A_TURN = 10_000
const BYTES_A_TURN = 1 << 20

/** Long work in slices, so that commits of the same process come to their turn in between. */
export class Turns {
  readonly #unitsATurn: number
  #units = 0

  private constructor(unitsATurn: number) {
    this.#unitsATurn = unitsATurn
  }

  static ofChunks(): Turns {
    return new Turns(CHUNKS_A_TURN)
  }

  static ofBytes(): Turns {
    return new Turns(BYTES_A_TURN)
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
  }
}

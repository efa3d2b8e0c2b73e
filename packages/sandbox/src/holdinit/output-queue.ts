import { assert } from '@holdfast/base/assert'

/** How much of a channel's output may be on its way or wait for its reader. */
export const OUTPUT_WINDOW_BYTES = 1024 * 1024
/** Credit is given back in such pieces: often enough that the writer never waits, seldom enough to cost nothing. */
const GRANT_BYTES = OUTPUT_WINDOW_BYTES / 4

/** Counts what a reader has taken, and grants it anew. */
export class CreditReturn {
  readonly #grant: (bytes: number) => void
  #takenBytes = 0

  constructor(grant: (bytes: number) => void) {
    this.#grant = grant
  }

  take(bytes: number): void {
    this.#takenBytes += bytes
    if (this.#takenBytes < GRANT_BYTES) return
    this.#grant(this.#takenBytes)
    this.#takenBytes = 0
  }
}

export interface OutputPiece {
  readonly stream: 'stdout' | 'stderr' | 'terminal'
  readonly bytes: Uint8Array
}

/** Output that waits for its one reader. A reader that leaves early lets the rest go by unread. */
export class OutputQueue implements AsyncIterable<OutputPiece> {
  readonly #credit: CreditReturn
  readonly #pieces: OutputPiece[] = []
  #reader: (() => void) | null = null
  #state: 'unread' | 'read' | 'left' = 'unread'
  #isAtEnd = false

  constructor(credit: CreditReturn) {
    this.#credit = credit
  }

  push(piece: OutputPiece): void {
    if (this.#state === 'left') {
      this.#credit.take(piece.bytes.length)
      return
    }
    this.#pieces.push(piece)
    this.#wake()
  }

  end(): void {
    this.#isAtEnd = true
    this.#wake()
  }

  [Symbol.asyncIterator](): AsyncIterator<OutputPiece> {
    assert(this.#state === 'unread', 'the output of a command has one reader')
    this.#state = 'read'
    return { next: () => this.#next(), return: () => this.#leave() }
  }

  #wake(): void {
    const reader = this.#reader
    this.#reader = null
    reader?.()
  }

  async #next(): Promise<IteratorResult<OutputPiece>> {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) {
        this.#credit.take(piece.bytes.length)
        return { done: false, value: piece }
      }
      if (this.#isAtEnd || this.#state === 'left') return { done: true, value: undefined }
      await new Promise<void>((resolve) => {
        this.#reader = resolve
      })
    }
  }

  #leave(): Promise<IteratorResult<OutputPiece>> {
    this.#state = 'left'
    for (const piece of this.#pieces.splice(0)) this.#credit.take(piece.bytes.length)
    this.#wake()
    return Promise.resolve({ done: true, value: undefined })
  }
}

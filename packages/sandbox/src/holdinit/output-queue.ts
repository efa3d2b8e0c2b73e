import { assert } from '@holdfast/base/assert'

/** How much of a channel's output may be on its way or wait for its reader. */
export const OUTPUT_WINDOW_BYTES = 1024 * 1024
/** Credit is given back in such pieces: often enough that the writer never waits, seldom enough to cost nothing. */
const GRANT_BYTES = OUTPUT_WINDOW_BYTES / 4
/** What waits is handed on in pieces of at most this. */
const PIECE_BYTES_MAX = 64 * 1024

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

/** What came in one frame or in several: joined when it is read. */
interface Waiting {
  readonly stream: OutputPiece['stream']
  readonly parts: Uint8Array[]
  bytes: number
}

/**
 * Output that waits for its one reader. A reader that leaves early lets the rest go by unread. What comes byte by byte
 * while the reader is behind is read as one piece: credit counts bytes, and each piece costs the reader the same.
 */
export class OutputQueue implements AsyncIterable<OutputPiece> {
  readonly #credit: CreditReturn
  readonly #pieces: Waiting[] = []
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
    const { stream, bytes } = piece
    const last = this.#pieces.at(-1)
    if (last?.stream === stream && last.bytes + bytes.length <= PIECE_BYTES_MAX) {
      last.parts.push(bytes)
      last.bytes += bytes.length
    } else this.#pieces.push({ stream, parts: [bytes], bytes: bytes.length })
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
      const waiting = this.#pieces.shift()
      if (waiting !== undefined) {
        this.#credit.take(waiting.bytes)
        return { done: false, value: joined(waiting) }
      }
      if (this.#isAtEnd || this.#state === 'left') return { done: true, value: undefined }
      await new Promise<void>((resolve) => {
        this.#reader = resolve
      })
    }
  }

  #leave(): Promise<IteratorResult<OutputPiece>> {
    this.#state = 'left'
    for (const piece of this.#pieces.splice(0)) this.#credit.take(piece.bytes)
    this.#wake()
    return Promise.resolve({ done: true, value: undefined })
  }
}

function joined({ stream, parts }: Waiting): OutputPiece {
  const [first] = parts
  return { stream, bytes: first !== undefined && parts.length === 1 ? first : Buffer.concat(parts) }
}

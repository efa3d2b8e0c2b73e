import { Failure } from '@holdfast/base/failure'
import type { FrameLink } from './frame-link.ts'
import { FLAG_END, FRAME, PAYLOAD_BYTES_MAX } from './frames.ts'

/** What a channel may be sent before its reader has taken any. */
const INPUT_WINDOW_BYTES = 65_536

interface Pending {
  readonly bytes: Uint8Array
  sentBytes: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** The input of a channel: sent within what its reader has room for, in the order of the calls. */
export class InputWindow {
  readonly #link: FrameLink
  readonly #id: number
  readonly #pending: Pending[] = []
  #creditBytes = INPUT_WINDOW_BYTES
  #state: 'open' | 'ending' | 'closed' = 'open'

  constructor(link: FrameLink, id: number) {
    this.#link = link
    this.#id = id
  }

  /** Resolves when all of it is sent. Rejects with `invalid-state` once the input is at its end. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(inputAtEnd())
    if (bytes.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#pending.push({ bytes, sentBytes: 0, resolve, reject })
      this.#pump()
    })
  }

  /** No more follows after what was written. */
  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#pump()
  }

  grant(bytes: number): void {
    this.#creditBytes += bytes
    this.#pump()
  }

  /** Nobody reads it any more. */
  close(): void {
    this.#state = 'closed'
    for (const pending of this.#pending.splice(0)) pending.reject(inputAtEnd())
  }

  #pump(): void {
    for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
      if (this.#creditBytes === 0) return
      const countMax = Math.min(this.#creditBytes, PAYLOAD_BYTES_MAX)
      const part = first.bytes.subarray(first.sentBytes, first.sentBytes + countMax)
      this.#creditBytes -= part.length
      first.sentBytes += part.length
      this.#link.send(FRAME.input, this.#id, part)
      if (first.sentBytes < first.bytes.length) continue
      this.#pending.shift()
      first.resolve()
    }
    if (this.#state !== 'ending') return
    this.#state = 'closed'
    this.#link.send(FRAME.input, this.#id, undefined, FLAG_END)
  }
}

function inputAtEnd(): Failure {
  return new Failure('invalid-state', 'the input is at its end')
}

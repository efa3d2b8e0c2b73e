import { ENDED_CLOSE, PORT_UNREACHABLE_CLOSE } from '@holdfast/protocol/rest/socket-close'
import { HoldfastError } from './holdfast-error.ts'

/** The writer waits while more than this is not sent yet. */
const UNSENT_BYTES_MAX = 1 << 20
const UNSENT_POLL_MS = 5

/** The bytes of a WebSocket, as a stream that ends or fails. */
export class SocketBytes implements AsyncIterable<Uint8Array>, Disposable {
  readonly #socket: WebSocket
  readonly #sleep: (ms: number) => Promise<void>
  readonly #opened: Promise<void>
  readonly #waiting: Uint8Array[] = []
  #wake: () => void = () => {}
  #closed: { readonly code: number; readonly reason: string } | undefined

  constructor(socket: WebSocket, sleep: (ms: number) => Promise<void>) {
    this.#socket = socket
    this.#sleep = sleep
    socket.binaryType = 'arraybuffer'
    this.#opened = new Promise((resolve, reject) => {
      socket.addEventListener('open', () => resolve())
      socket.addEventListener('close', (closed) => {
        this.#closed = closed
        this.#wake()
        reject(lossOf(closed))
      })
    })
    this.#opened.catch(() => {}) // told by whoever writes or reads
    socket.addEventListener('message', ({ data }) => {
      if (data instanceof ArrayBuffer) this.#waiting.push(new Uint8Array(data))
      this.#wake()
    })
  }

  /** What comes, until the other side ends. Rejects if the connection is lost. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    await this.#opened
    while (true) {
      for (let bytes = this.#waiting.shift(); bytes !== undefined; bytes = this.#waiting.shift()) yield bytes
      if (this.#closed?.code === ENDED_CLOSE) return
      if (this.#closed !== undefined) throw lossOf(this.#closed)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Resolves when there is room for more. */
  async write(bytes: Uint8Array | string): Promise<void> {
    await this.#opened
    this.#socket.send(typeof bytes === 'string' ? bytes : Uint8Array.from(bytes))
    while (this.#socket.bufferedAmount > UNSENT_BYTES_MAX && this.#closed === undefined)
      await this.#sleep(UNSENT_POLL_MS)
  }

  close(): void {
    this.#socket.close(ENDED_CLOSE)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function lossOf({ code, reason }: { readonly code: number; readonly reason: string }): HoldfastError {
  const why = reason === '' ? `closed with ${code}` : reason
  if (code === PORT_UNREACHABLE_CLOSE) return new HoldfastError({ code: 'port-unreachable', message: why })
  return new HoldfastError({ code: 'server-unreachable', message: `the connection was lost: ${why}` })
}

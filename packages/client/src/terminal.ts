import type { AttachControl } from '@holdfast/protocol/host-streams'
import { HoldfastError } from './holdfast-error.ts'

/** The server closes so at the end of the command. */
const CLOSED_BY_END = 1000

/** A connection to the terminal of a command. Closing it leaves the command alone. */
export class Terminal implements AsyncIterable<Uint8Array>, Disposable {
  readonly #socket: WebSocket
  readonly #opened: Promise<void>
  readonly #waiting: Uint8Array[] = []
  #wake: () => void = () => {}
  #closeCode: number | undefined

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    this.#opened = new Promise((resolve, reject) => {
      socket.addEventListener('open', () => resolve())
      socket.addEventListener('close', ({ code, reason }) => {
        this.#closeCode = code
        this.#wake()
        reject(refusal(code, reason))
      })
    })
    this.#opened.catch(() => {}) // told by whoever writes or reads
    socket.addEventListener('message', ({ data }) => {
      if (data instanceof ArrayBuffer) this.#waiting.push(new Uint8Array(data))
      this.#wake()
    })
  }

  /** What the terminal shows, until the command ends. Rejects with `server-unreachable` if the connection is lost. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    await this.#opened
    while (true) {
      for (let bytes = this.#waiting.shift(); bytes !== undefined; bytes = this.#waiting.shift()) yield bytes
      if (this.#closeCode === CLOSED_BY_END) return
      if (this.#closeCode !== undefined) throw refusal(this.#closeCode, '')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Keys that were pressed. */
  async write(input: string | Uint8Array): Promise<void> {
    await this.#opened
    this.#socket.send(typeof input === 'string' ? new TextEncoder().encode(input) : Uint8Array.from(input))
  }

  async resize(size: { readonly columns: number; readonly rows: number }): Promise<void> {
    await this.#control({ kind: 'resize', ...size })
  }

  async signal(signal: string): Promise<void> {
    await this.#control({ kind: 'signal', signal })
  }

  close(): void {
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #control(control: AttachControl): Promise<void> {
    await this.#opened
    this.#socket.send(JSON.stringify(control))
  }
}

function refusal(code: number, reason: string): HoldfastError {
  const why = reason === '' ? `closed with ${code}` : reason
  return new HoldfastError({
    code: 'server-unreachable',
    message: `the terminal's connection was lost: ${why}`,
  })
}

import type { AttachControl } from '@holdfast/protocol/host-streams'
import type { SocketBytes } from './socket-bytes.ts'

/** A connection to the terminal of a command. Closing it leaves the command alone. */
export class Terminal implements AsyncIterable<Uint8Array>, Disposable {
  readonly #bytes: SocketBytes

  constructor(bytes: SocketBytes) {
    this.#bytes = bytes
  }

  /** What the terminal shows, until the command ends. Rejects with `server-unreachable` if the connection is lost. */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    return this.#bytes[Symbol.asyncIterator]()
  }

  /** Keys that were pressed. */
  async write(input: string | Uint8Array): Promise<void> {
    await this.#bytes.write(typeof input === 'string' ? new TextEncoder().encode(input) : input)
  }

  async resize(size: { readonly columns: number; readonly rows: number }): Promise<void> {
    await this.#control({ kind: 'resize', ...size })
  }

  async signal(signal: string): Promise<void> {
    await this.#control({ kind: 'signal', signal })
  }

  close(): void {
    this.#bytes.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Text frames are for the server itself. */
  async #control(control: AttachControl): Promise<void> {
    await this.#bytes.write(JSON.stringify(control))
  }
}

import type { Socket } from 'node:net'
import { FRAME, type Frame, FrameReader, frameHeader } from './frames.ts'

const NOTHING = Buffer.alloc(0)

/** Who a frame with an id is for. */
export interface FrameReceiver {
  receive(frame: Frame): void
  /** The connection is lost: nothing more comes. */
  gone(): void
}

/** A connection to holdinit, frame by frame. What is not for a channel goes to `onFrame`. */
export class FrameLink {
  readonly #socket: Socket
  readonly #channels = new Map<number, FrameReceiver>()
  readonly #reserved = new Set<number>()
  readonly #onFrame: (frame: Frame) => void
  #lastId = 0
  #isOpen = true
  /** Resolves when the connection is lost or closed. */
  readonly closed: Promise<void>

  constructor(socket: Socket, onFrame: (frame: Frame) => void) {
    this.#socket = socket
    this.#onFrame = onFrame
    const reader = new FrameReader((frame) => this.#deliver(frame))
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk)
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined)
      }
    })
    socket.on('error', () => {}) // 'close' follows, and says all that there is to say
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isOpen = false
        const channels = [...this.#channels.values()]
        this.#channels.clear()
        for (const channel of channels) channel.gone()
        resolve()
      })
    })
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Ids of channels and of requests; none is given twice while it is in use. */
  freeId(): number {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0
    } while (this.#lastId === 0 || this.#channels.has(this.#lastId) || this.#reserved.has(this.#lastId))
    return this.#lastId
  }

  /** Gives this id out to nobody: a command of an earlier connection has it. */
  reserve(id: number): void {
    this.#reserved.add(id)
  }

  register(id: number, channel: FrameReceiver): void {
    this.#channels.set(id, channel)
  }

  forget(id: number): void {
    this.#channels.delete(id)
    this.#reserved.delete(id)
  }

  send(type: number, id: number, payload: Uint8Array = NOTHING, flags = 0): void {
    if (!this.#isOpen) return
    const header = frameHeader({ type, flags, id }, payload.length)
    if (payload.length <= 1024) {
      this.#socket.write(payload.length === 0 ? header : Buffer.concat([header, payload]))
      return
    }
    this.#socket.cork()
    this.#socket.write(header)
    this.#socket.write(payload)
    this.#socket.uncork()
  }

  sendNumber(type: number, id: number, number: number): void {
    const payload = Buffer.allocUnsafe(4)
    payload.writeUInt32LE(number)
    this.send(type, id, payload)
  }

  close(): void {
    this.#socket.destroy()
  }

  #deliver(frame: Frame): void {
    const isForHost =
      frame.type === FRAME.call || frame.type === FRAME.extended || frame.type === FRAME.listed
    if (isForHost) this.#onFrame(frame)
    else this.#channels.get(frame.id)?.receive(frame)
  }
}

import { Duplex } from 'node:stream'
import { Failure } from '@holdfast/base/failure'
import type { FrameLink, FrameReceiver } from './frame-link.ts'
import { FRAME, type Frame, PayloadReader } from './frames.ts'
import { InputWindow } from './input-window.ts'
import { CreditReturn, OUTPUT_WINDOW_BYTES } from './output-queue.ts'
import { stepFailure } from './step-failure.ts'

/** A connection to a port inside; each direction ends by itself. */
export class HoldinitStream extends Duplex implements FrameReceiver {
  readonly #link: FrameLink
  readonly #id: number
  readonly #input: InputWindow
  readonly #credit: CreditReturn
  readonly #connected = Promise.withResolvers<void>()
  /** Taken by this stream while its own buffer is full: granted anew when that is read. */
  #heldBytes = 0

  constructor(link: FrameLink, port: number) {
    super({ allowHalfOpen: true })
    this.#link = link
    this.#id = link.freeId()
    this.#input = new InputWindow(link, this.#id)
    this.#credit = new CreditReturn((bytes) => link.sendNumber(FRAME.credit, this.#id, bytes))
    const request = Buffer.allocUnsafe(6)
    request.writeUInt32LE(OUTPUT_WINDOW_BYTES, 0)
    request.writeUInt16LE(port, 4)
    link.register(this.#id, this)
    link.send(FRAME.connect, this.#id, request)
  }

  /** Rejects with `port-unreachable` or `sandbox-gone`. */
  get connected(): Promise<void> {
    return this.#connected.promise
  }

  receive(frame: Frame): void {
    switch (frame.type) {
      case FRAME.started:
        this.#connected.resolve()
        return
      case FRAME.failed: {
        const payload = new PayloadReader(frame.payload)
        this.#connected.reject(stepFailure(payload.u32(), payload.u32()))
        this.#link.forget(this.#id)
        this.destroy()
        return
      }
      case FRAME.output:
        if (this.push(frame.payload)) this.#credit.take(frame.payload.length)
        else this.#heldBytes += frame.payload.length
        return
      case FRAME.outputEnd:
        this.push(null)
        return
      case FRAME.inputCredit:
        this.#input.grant(new PayloadReader(frame.payload).u32())
        return
      case FRAME.inputClosed:
        this.#input.close()
    }
  }

  gone(): void {
    const failure = new Failure('sandbox-gone', 'the sandbox ended before the connection')
    this.#connected.promise.catch(() => {}) // whoever waits for it is told; nobody need
    this.#connected.reject(failure)
    this.destroy(this.readableEnded ? undefined : failure)
  }

  override _read(): void {
    const held = this.#heldBytes
    this.#heldBytes = 0
    this.#credit.take(held)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#input.write(chunk).then(() => done(), done)
  }

  override _final(done: () => void): void {
    this.#input.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#input.close()
    this.#link.forget(this.#id)
    this.#link.send(FRAME.release, this.#id)
    done(error)
  }
}

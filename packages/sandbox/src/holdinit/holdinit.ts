import { CLOCK_GRAIN_MS, systemBootClock } from '@holdfast/base/boot-clock'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { GuestAnswer, GuestCall } from '../runtime.ts'
import { encodeCommand, type HoldinitCommand, type ResourceLimit, sendCommand } from './exec-request.ts'
import { FrameLink } from './frame-link.ts'
import { FRAME, type Frame, PayloadReader } from './frames.ts'
import { openConnection, type Welcome } from './holdinit-connection.ts'
import { HoldinitExec } from './holdinit-exec.ts'
import { HoldinitStream } from './holdinit-stream.ts'
import { type ListedCommand, readList } from './listed-command.ts'
import { OUTPUT_WINDOW_BYTES } from './output-queue.ts'

const CALLS: readonly GuestCall[] = [{ kind: 'sync' }, { kind: 'status' }]
const ANSWER_BYTES_MAX = 60_000
/** A sandbox whose boot clock is further off has another one: gVisor's starts with the sandbox. */
const SAME_CLOCK_MS = 1000
/** What `hold` ends with when the host could not answer. */
const EXIT_PLATFORM = 125

export interface HoldinitOptions {
  /** As seen from the host. */
  readonly socketPath: string
  /** The 64 bytes that it was started with. */
  readonly nonce: Uint8Array
  readonly clock: Clock
  readonly timeoutMs?: number
  /** Where relative directories of commands start. */
  readonly workspacePath?: string
  /** Given to every command. */
  readonly limits?: readonly ResourceLimit[]
  /** How often the kernel has killed a process of this sandbox for memory: asked at the start and end of commands. */
  readonly oomKills?: () => number
}

/** A connection to the first process of a sandbox. A later one takes over from it. */
export class Holdinit implements AsyncDisposable {
  readonly #link: FrameLink
  readonly #options: HoldinitOptions
  readonly #extensions = new Map<number, PromiseWithResolvers<void>>()
  #answer: (call: GuestCall) => Promise<GuestAnswer>
  #list = Promise.withResolvers<readonly ListedCommand[]>()
  /** What is added to the host's boot clock to get the sandbox's: never more than is true, so it ends never later. */
  readonly #clockOffsetMs: number
  /** As it was when this connection was made, on the boot clock of the sandbox. */
  readonly welcome: Welcome

  private constructor(
    link: (onFrame: (frame: Frame) => void) => FrameLink,
    welcome: Welcome,
    options: HoldinitOptions,
  ) {
    this.#link = link((frame) => this.#receive(frame))
    this.welcome = welcome
    const offsetMs = welcome.bootMs - systemBootClock.bootMs()
    this.#clockOffsetMs = Math.abs(offsetMs) < SAME_CLOCK_MS ? 0 : offsetMs - CLOCK_GRAIN_MS
    this.#options = options
    this.#answer = async () => ({ exitCode: EXIT_PLATFORM, text: 'not served here\n' })
    void this.#link.closed.then(() => this.#gone())
  }

  /** Resolves with a connection that both sides have proven. Rejects with `sandbox-failed`. */
  static async connect(options: HoldinitOptions): Promise<Holdinit> {
    const { socket, welcome } = await openConnection({ timeoutMs: 5000, ...options })
    const holdinit = new Holdinit((onFrame) => new FrameLink(socket, onFrame), welcome, options)
    for (const command of await holdinit.list()) holdinit.#link.reserve(command.id)
    return holdinit
  }

  /** Resolves when the connection is lost: the sandbox has ended, or another host has connected. */
  get ended(): Promise<void> {
    return this.#link.closed
  }

  /** The commands that it knows: those that run, and those that ended and were not told to anyone yet. */
  list(): Promise<readonly ListedCommand[]> {
    this.#requireOpen()
    this.#list = Promise.withResolvers()
    this.#link.send(FRAME.list, 0)
    return this.#list.promise
  }

  /** Takes over a command that an earlier connection started. Output that it had been sent is not sent again. */
  adopt(command: ListedCommand): HoldinitExec {
    this.#requireOpen()
    const exec = new HoldinitExec(this.#link, command.id, this.#oomKills)
    this.#link.sendNumber(FRAME.attach, command.id, OUTPUT_WINDOW_BYTES)
    return exec
  }

  /** Resolves when the program runs. Rejects with `exec-failed`, `invalid-argument`, `too-large`, `sandbox-gone`. */
  async exec(command: HoldinitCommand): Promise<HoldinitExec> {
    const request = encodeCommand(command, {
      workspacePath: this.#options.workspacePath ?? '/workspace',
      limits: this.#options.limits ?? [],
    })
    this.#requireOpen()
    const id = this.#link.freeId()
    const exec = new HoldinitExec(this.#link, id, this.#oomKills)
    sendCommand(this.#link, id, request)
    await exec.started
    return exec
  }

  /** A connection to 127.0.0.1:`port`, or [::1]:`port`. Rejects with `port-unreachable`, `sandbox-gone`. */
  async connect(port: number): Promise<HoldinitStream> {
    this.#requireOpen()
    const stream = new HoldinitStream(this.#link, port)
    await stream.connected
    return stream
  }

  /** Resolves once the deadline, on the host's boot clock, is moved. Rejects with `sandbox-gone`. */
  extend(deadlineBootMs: number): Promise<void> {
    this.#requireOpen()
    const id = this.#link.freeId()
    const extension = Promise.withResolvers<void>()
    this.#extensions.set(id, extension)
    const payload = Buffer.allocUnsafe(8)
    payload.writeBigUInt64LE(BigInt(Math.max(0, Math.floor(deadlineBootMs + this.#clockOffsetMs))))
    this.#link.send(FRAME.extend, id, payload)
    return extension.promise
  }

  onGuestCall(answer: (call: GuestCall) => Promise<GuestAnswer>): void {
    this.#answer = answer
  }

  /** Hangs up. Commands go on until the deadline. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#link.close()
    await this.#link.closed
  }

  readonly #oomKills = (): number => this.#options.oomKills?.() ?? 0

  #requireOpen(): void {
    if (!this.#link.isOpen) throw gone()
  }

  #receive(frame: Frame): void {
    const payload = new PayloadReader(frame.payload)
    if (frame.type === FRAME.listed) {
      this.#list.resolve(readList(frame.payload))
    } else if (frame.type === FRAME.extended) {
      this.#extensions.get(frame.id)?.resolve()
      this.#extensions.delete(frame.id)
    } else {
      const call = CALLS[payload.u8()]
      if (call !== undefined) void this.#answerCall(frame.id, call)
    }
  }

  async #answerCall(id: number, call: GuestCall): Promise<void> {
    let answer: GuestAnswer
    try {
      answer = await this.#answer(call)
    } catch (error) {
      answer = { exitCode: EXIT_PLATFORM, text: `${error instanceof Failure ? error.message : 'failed'}\n` }
    }
    const text = Buffer.from(answer.text).subarray(0, ANSWER_BYTES_MAX)
    this.#link.send(FRAME.answer, id, Buffer.concat([Buffer.from([answer.exitCode & 0xff]), text]))
  }

  #gone(): void {
    this.#list.promise.catch(() => {}) // asked for or not
    this.#list.reject(gone())
    for (const extension of this.#extensions.values()) extension.reject(gone())
    this.#extensions.clear()
  }
}

function gone(): Failure {
  return new Failure('sandbox-gone', 'the sandbox has ended, or another host has taken it over')
}

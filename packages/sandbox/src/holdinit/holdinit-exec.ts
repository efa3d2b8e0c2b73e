import { constants } from 'node:os'
import { Failure } from '@holdfast/base/failure'
import type { ExecEnd, SandboxExec } from '../runtime.ts'
import type { FrameLink, FrameReceiver } from './frame-link.ts'
import { FRAME, type Frame, PayloadReader } from './frames.ts'
import { InputWindow } from './input-window.ts'
import { CreditReturn, OutputQueue } from './output-queue.ts'
import { stepFailure } from './step-failure.ts'

const STREAMS = ['stdout', 'stderr', 'terminal'] as const

/** A command that holdinit runs. It is forgotten there once its end and the end of its output have arrived. */
export class HoldinitExec implements SandboxExec, FrameReceiver {
  readonly #link: FrameLink
  readonly #id: number
  readonly #input: InputWindow
  readonly #oomKills: () => number
  readonly #oomKillsBefore: number
  readonly #started = Promise.withResolvers<number>()
  readonly #ended = Promise.withResolvers<ExecEnd>()
  readonly #queue: OutputQueue
  #hasEnded = false
  #isOutputAtEnd = false

  constructor(link: FrameLink, id: number, oomKills: () => number) {
    this.#link = link
    this.#id = id
    this.#input = new InputWindow(link, id)
    this.#queue = new OutputQueue(new CreditReturn((bytes) => link.sendNumber(FRAME.credit, id, bytes)))
    this.#oomKills = oomKills
    this.#oomKillsBefore = oomKills()
    link.register(id, this)
  }

  get output(): OutputQueue {
    return this.#queue
  }

  /** Its pid inside the sandbox, once its program runs. Rejects with `exec-failed` or `sandbox-gone`. */
  get started(): Promise<number> {
    return this.#started.promise
  }

  get ended(): Promise<ExecEnd> {
    return this.#ended.promise
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#input.write(bytes)
  }

  async endInput(): Promise<void> {
    this.#input.end()
  }

  async resize(columns: number, rows: number): Promise<void> {
    const size = Buffer.allocUnsafe(4)
    size.writeUInt16LE(columns, 0)
    size.writeUInt16LE(rows, 2)
    this.#link.send(FRAME.resize, this.#id, size)
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    const number = constants.signals[name]
    if (number === undefined) throw new Failure('invalid-argument', `no such signal: ${name}`)
    this.#link.sendNumber(FRAME.signal, this.#id, number)
  }

  async kill(): Promise<void> {
    this.#link.send(FRAME.kill, this.#id)
  }

  receive(frame: Frame): void {
    const payload = new PayloadReader(frame.payload)
    switch (frame.type) {
      case FRAME.started:
        this.#started.resolve(payload.u32())
        return
      case FRAME.failed:
        this.#link.forget(this.#id)
        this.#leave(stepFailure(payload.u32(), payload.u32()))
        return
      case FRAME.output:
        this.#queue.push({ stream: STREAMS[frame.flags] ?? 'stdout', bytes: frame.payload })
        return
      case FRAME.outputEnd:
        this.#isOutputAtEnd = true
        this.#queue.end()
        break
      case FRAME.inputCredit:
        this.#input.grant(payload.u32())
        return
      case FRAME.inputClosed:
        this.#input.close()
        return
      case FRAME.ended:
        this.#hasEnded = true
        this.#ended.resolve(this.#endOf(payload.u8(), payload.u8()))
        break
    }
    if (!this.#hasEnded || !this.#isOutputAtEnd) return
    this.#input.close()
    this.#link.forget(this.#id)
    this.#link.send(FRAME.release, this.#id)
  }

  gone(): void {
    this.#leave(new Failure('sandbox-gone', 'the sandbox ended before the command'))
  }

  #leave(failure: Failure): void {
    this.#input.close()
    this.#queue.end()
    this.#started.promise.catch(() => {}) // whoever started it waits for it; an adopted one has started before
    this.#started.reject(failure)
    this.#ended.resolve({ kind: 'gone' })
  }

  #endOf(how: number, value: number): ExecEnd {
    if (how === 0) return { kind: 'exited', exitCode: value }
    const signal = signalName(value)
    return {
      kind: 'signaled',
      signal,
      isOom: signal === 'SIGKILL' && this.#oomKills() > this.#oomKillsBefore,
    }
  }
}

/** Signals that Node has no name for, the real-time ones, are told as KILL: nothing else ends like them. */
function signalName(number: number): NodeJS.Signals {
  const found = Object.entries(constants.signals).find(([, value]) => value === number)
  return (found?.[0] ?? 'SIGKILL') as NodeJS.Signals
}

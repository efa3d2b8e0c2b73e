import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Failure } from '@holdfast/base/failure'
import type { PinReply, PinRequest } from './pin-messages.ts'

/** The pinning process, as its parent sees it. It ends with its parent. */
export class PinClient implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<
    number,
    { resolve: (reply: PinReply) => void; reject: (error: Failure) => void }
  >()
  #nextId = 1
  #ended: Failure | undefined

  constructor() {
    this.#child = fork(fileURLToPath(new URL('./pin-process.ts', import.meta.url)), {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
      detached: true,
    })
    this.#child.on('message', (reply: PinReply) => this.#receive(reply))
    this.#child.on('exit', () => this.#end())
    this.#child.on('error', () => this.#end())
    this.#child.unref()
    this.#child.channel?.unref()
  }

  /** Rejects with `helper-failed` when the process has ended: then nothing is locked or pinned any more. */
  async request(request: PinRequest): Promise<PinReply['kind']> {
    if (this.#ended) throw this.#ended
    const id = this.#nextId++
    this.#child.channel?.ref()
    const reply = await new Promise<PinReply>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ ...request, id })
    })
    return reply.kind
  }

  #receive(reply: PinReply): void {
    this.#waiting.get(reply.id)?.resolve(reply)
    this.#waiting.delete(reply.id)
    if (this.#waiting.size === 0) this.#child.channel?.unref()
  }

  #end(): void {
    this.#ended ??= new Failure('helper-failed', 'the process that pins databases has ended')
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.ref()
    this.#child.disconnect()
    await ended
  }
}

import type { Worker } from 'node:worker_threads'
import { allSettled } from '@holdfast/base/all-settled'
import { Failure } from '@holdfast/base/failure'
import { endThread, startThread } from '@holdfast/base/start-thread'
import type { BuiltPack } from '../format/pack-builder.ts'
import { Holdfs } from '../holdfs/holdfs.ts'
import type { StageMessage, StageRequest } from './stage-messages.ts'

/** Names and numbers of one subtree die young: with room for them a survey costs half the garbage collection. */
const YOUNG_MB = 64

type Reply = Extract<StageMessage, { kind: 'reply' }>['reply']

/** One staging thread: requests queue up and are answered in order. */
export class StageThread {
  readonly #worker: Worker
  readonly #waiting: { resolve: (reply: Reply) => void; reject: (error: unknown) => void }[] = []
  #onPack: ((pack: BuiltPack) => void) | undefined
  #dead: Failure | undefined
  #putFailure: unknown

  constructor() {
    this.#worker = startThread(new URL('./stage-thread.js', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    })
    this.#worker.unref()
    this.#worker.on('message', (message: StageMessage) => this.#receive(message))
    this.#worker.on('error', (error) =>
      this.#end(new Failure('internal', 'a staging thread failed', {}, error)),
    )
    this.#worker.on('exit', () => this.#end(new Failure('internal', 'a staging thread ended')))
  }

  get isDead(): boolean {
    return this.#dead !== undefined
  }

  /**
   * Begins a commit; `onPack` stores a pack, and the thread goes on filling others meanwhile. Once one could not be
   * stored, the commit is lost: the thread stops at its next pack, and requests reject with that failure.
   */
  async open(
    session: Extract<StageRequest, { kind: 'open' }>['session'],
    onPack: (pack: BuiltPack) => Promise<void>,
  ) {
    const inFlight = new Int32Array(new SharedArrayBuffer(8))
    this.#putFailure = undefined
    this.#onPack = (pack) => {
      const done = () => {
        Atomics.sub(inFlight, 0, 1)
        Atomics.notify(inFlight, 0)
      }
      onPack(pack).then(done, (error: unknown) => {
        this.#putFailure ??= error
        Atomics.store(inFlight, 1, 1)
        done()
      })
    }
    await this.request({ kind: 'open', session, inFlight })
  }

  /** Rejects with the failure that the thread met, or that one of its packs met. */
  request(request: StageRequest): Promise<Reply> {
    if (this.#dead) return Promise.reject(this.#dead)
    if (this.#putFailure !== undefined) return Promise.reject(this.#putFailure)
    this.#worker.ref()
    const reply = new Promise<Reply>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    this.#worker.postMessage(request)
    return reply
  }

  async stop(): Promise<void> {
    this.#worker.ref()
    await endThread(this.#worker)
  }

  #receive(message: StageMessage): void {
    if (message.kind === 'pack') {
      this.#onPack?.(message.pack)
      return
    }
    const waiting = this.#waiting.shift()
    if (this.#waiting.length === 0) this.#worker.unref()
    if (message.kind === 'reply') waiting?.resolve(message.reply)
    else waiting?.reject(this.#putFailure ?? new Failure(message.code, message.message, message.details))
  }

  #end(failure: Failure): void {
    this.#dead ??= failure
    for (const { reject } of this.#waiting.splice(0)) reject(this.#dead)
  }
}

/** The staging threads and surveying companions of a process, started when the first large commit needs them. */
export class StagePool implements AsyncDisposable {
  readonly #size: number
  #threads: StageThread[] | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #companions: Promise<readonly Holdfs[]> | undefined

  constructor(size: number) {
    this.#size = size
  }

  /**
   * Lends all threads to one commit at a time: a thread that served two would put the chunks of one into packs of the
   * other. Commits of other workspaces wait for their turn.
   */
  lend<T>(work: (threads: readonly StageThread[]) => Promise<T>): Promise<T> {
    const done = this.#turn.then(() => work(this.threads()))
    this.#turn = done.catch(() => {}) // told to whoever asked
    return done
  }

  /** All threads; one that has ended is replaced. */
  threads(): readonly StageThread[] {
    const present = this.#threads ?? []
    this.#threads = Array.from({ length: this.#size }, (_, index) => {
      const thread = present[index]
      return thread === undefined || thread.isDead ? new StageThread() : thread
    })
    return this.#threads
  }

  /** Native companions that survey beside one another; rejects as `Holdfs.start` does. */
  companions(): Promise<readonly Holdfs[]> {
    this.#companions ??= allSettled(Array.from({ length: this.#size }, () => Holdfs.start()))
    return this.#companions
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all((this.#threads ?? []).map((thread) => thread.stop()))
    for (const companion of (await this.#companions?.catch(() => [])) ?? [])
      await companion[Symbol.asyncDispose]()
    this.#threads = undefined
    this.#companions = undefined
  }
}

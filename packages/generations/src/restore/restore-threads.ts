import type { Worker } from 'node:worker_threads'
import { Failure, type FailureDetails } from '@holdfast/base/failure'
import { ownedBuffers } from '@holdfast/base/owned-buffers'
import { endThread, startThread } from '@holdfast/base/start-thread'
import type { FailureCode } from '@holdfast/protocol/failures'
import type { RangeWork } from './frame-job.ts'
import type { HashedPages } from './hashed-pages.ts'

export type RestoreMessage =
  | { readonly kind: 'done'; readonly hashed: readonly HashedPages[] }
  | {
      readonly kind: 'failed'
      readonly code: FailureCode
      readonly message: string
      readonly details: FailureDetails
    }

/** What a restore thread begins with. */
export interface RestoreStart {
  readonly path: string
  readonly sealKey: Uint8Array | null
}

/** Threads that decode, prove and write; they live for one restore. */
export class RestoreThreads {
  readonly #size: number
  readonly #sealKey: Uint8Array | null

  constructor(size: number, sealKey: Uint8Array | null) {
    this.#size = size
    this.#sealKey = sealKey
  }

  /**
   * Does `count` pieces of work, which `fetch` brings; while a thread writes one, its next one is fetched. Resolves to
   * the hashes of all database pages that were written, in any order.
   */
  async run(
    path: string,
    count: number,
    fetch: (index: number) => Promise<RangeWork>,
  ): Promise<HashedPages[]> {
    const threads = Array.from(
      { length: Math.min(this.#size, count) },
      () => new RestoreThread({ path, sealKey: this.#sealKey }),
    )
    const hashed: HashedPages[] = []
    let next = 0
    const feed = async (thread: RestoreThread) => {
      let pending: Promise<void> | undefined
      while (next < count) {
        const work = await fetch(next++)
        await pending
        pending = thread.write(work).then((pages) => {
          for (const page of pages) hashed.push(page)
        })
        pending.catch(() => {})
      }
      await pending
    }
    try {
      await Promise.all(threads.map(feed))
      return hashed
    } finally {
      await Promise.all(threads.map((thread) => thread.stop()))
    }
  }
}

class RestoreThread {
  readonly #worker: Worker
  #waiting:
    | { resolve: (hashed: readonly HashedPages[]) => void; reject: (error: Failure) => void }
    | undefined
  #dead: Failure | undefined

  constructor(start: RestoreStart) {
    this.#worker = startThread(new URL('./restore-thread.js', import.meta.url), { workerData: start })
    this.#worker.on('message', (message: RestoreMessage) => {
      if (message.kind === 'done') this.#waiting?.resolve(message.hashed)
      else this.#waiting?.reject(new Failure(message.code, message.message, message.details))
      this.#waiting = undefined
    })
    this.#worker.on('error', (error) =>
      this.#end(new Failure('internal', 'a restore thread failed', {}, error)),
    )
    this.#worker.on('exit', () => this.#end(new Failure('internal', 'a restore thread ended')))
  }

  write(work: RangeWork): Promise<readonly HashedPages[]> {
    if (this.#dead) return Promise.reject(this.#dead)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#worker.postMessage(work, ownedBuffers([work.bytes]))
    })
  }

  async stop(): Promise<void> {
    await endThread(this.#worker)
  }

  #end(failure: Failure): void {
    this.#dead ??= failure
    this.#waiting?.reject(this.#dead)
    this.#waiting = undefined
  }
}

import type { HeldLease } from '../index/generation-index.ts'
import type { WriterLock } from './writer-lock.ts'

/** The right to write a directory's history: no other process of this machine has it meanwhile. */
export class HeldHistory implements Disposable {
  readonly lease: HeldLease
  #lock: WriterLock | undefined

  constructor(lock: WriterLock, lease: HeldLease) {
    this.#lock = lock
    this.lease = lease
  }

  [Symbol.dispose](): void {
    this.#lock?.[Symbol.dispose]()
    this.#lock = undefined
  }
}

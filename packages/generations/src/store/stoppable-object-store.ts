import type { ByteRange, ObjectStore, StoredObject } from './object-store.ts'

/**
 * A store for work that may be given up: from the signal on, each call rejects with its reason, so that the work comes to
 * its end at its next step. A call under way comes to its own. Closing it is for the owner of the store behind.
 */
export class StoppableObjectStore implements ObjectStore {
  readonly #store: ObjectStore
  readonly #signal: AbortSignal

  constructor(store: ObjectStore, signal: AbortSignal) {
    this.#store = store
    this.#signal = signal
  }

  get address(): string {
    return this.#store.address
  }

  async put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    this.#signal.throwIfAborted()
    await this.#store.put(key, parts)
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    this.#signal.throwIfAborted()
    return await this.#store.get(key, range)
  }

  async head(key: string): Promise<{ readonly bytes: number } | undefined> {
    this.#signal.throwIfAborted()
    return await this.#store.head(key)
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    for await (const object of this.#store.list(prefix)) {
      this.#signal.throwIfAborted()
      yield object
    }
  }

  async delete(key: string): Promise<void> {
    this.#signal.throwIfAborted()
    await this.#store.delete(key)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

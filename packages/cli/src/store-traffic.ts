import type { ByteRange, ObjectStore, StoredObject } from '@holdfast/generations/store/object-store'

/** What went to and came from stores so far, for progress. */
export class StoreTraffic {
  bytesPut = 0
  bytesGot = 0
  objectsDeleted = 0
}

/** A store that counts what passes. */
export class CountedObjectStore implements ObjectStore {
  readonly #store: ObjectStore
  readonly #traffic: StoreTraffic

  constructor(store: ObjectStore, traffic: StoreTraffic) {
    this.#store = store
    this.#traffic = traffic
  }

  get address(): string {
    return this.#store.address
  }

  async put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    await this.#store.put(key, parts)
    for (const part of parts) this.#traffic.bytesPut += part.length
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    const bytes = await this.#store.get(key, range)
    this.#traffic.bytesGot += bytes.length
    return bytes
  }

  head(key: string): Promise<{ readonly bytes: number } | undefined> {
    return this.#store.head(key)
  }

  list(prefix: string): AsyncIterable<StoredObject> {
    return this.#store.list(prefix)
  }

  async delete(key: string): Promise<void> {
    await this.#store.delete(key)
    this.#traffic.objectsDeleted++
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }
}

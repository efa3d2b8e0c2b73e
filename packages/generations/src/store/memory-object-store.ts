import type { Clock } from '@holdfast/base/clock'
import {
  checkByteRange,
  checkKeyPrefix,
  checkObjectKey,
  measureParts,
  objectExists,
  objectMissing,
  rangePastEnd,
} from './object-key.ts'
import type { ByteRange, ObjectStore, StoredObject } from './object-store.ts'

/** A store that lasts as long as this value: for tests and dry runs. */
export class MemoryObjectStore implements ObjectStore {
  readonly address = 'memory:'
  readonly #clock: Clock
  readonly #objects = new Map<string, { readonly bytes: Buffer; readonly modifiedAt: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    checkObjectKey(key)
    const bytes = Buffer.concat(parts, measureParts(parts))
    const present = this.#objects.get(key)
    if (present && !present.bytes.equals(bytes)) throw objectExists(key)
    if (!present) this.#objects.set(key, { bytes, modifiedAt: this.#clock.wallMs() })
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    checkObjectKey(key)
    if (range) checkByteRange(range)
    const present = this.#objects.get(key)
    if (!present) throw objectMissing(key)
    const { offset, length } = range ?? { offset: 0, length: present.bytes.length }
    if (offset + length > present.bytes.length) {
      throw rangePastEnd(key, present.bytes.length, { offset, length })
    }
    return Buffer.from(present.bytes.subarray(offset, offset + length))
  }

  async head(key: string): Promise<{ readonly bytes: number } | undefined> {
    checkObjectKey(key)
    const present = this.#objects.get(key)
    return present && { bytes: present.bytes.length }
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    checkKeyPrefix(prefix)
    for (const [key, { bytes, modifiedAt }] of [...this.#objects]) {
      if (key.startsWith(prefix)) yield { key, bytes: bytes.length, modifiedAt }
    }
  }

  async delete(key: string): Promise<void> {
    checkObjectKey(key)
    this.#objects.delete(key)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

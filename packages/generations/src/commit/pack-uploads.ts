import { allSettled } from '@holdfast/base/all-settled'
import { packKey } from '../format/names.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** The packs of one commit on their way into the store. */
export class PackUploads {
  readonly #store: ObjectStore
  readonly #puts: Promise<void>[] = []
  readonly #packs: Omit<BuiltPack, 'parts'>[] = []

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** Starts to put a pack; settles when it is durable or has failed. */
  put = ({ parts, ...pack }: BuiltPack): Promise<void> => {
    this.#packs.push(pack)
    const put = this.#store.put(packKey(pack.name), parts)
    put.catch(() => {})
    this.#puts.push(put)
    return put
  }

  get packs(): readonly Omit<BuiltPack, 'parts'>[] {
    return this.#packs
  }

  /** Resolves when every pack is durable; rejects with the first failure, once none is in flight any more. */
  async durable(): Promise<void> {
    await allSettled(this.#puts)
  }
}

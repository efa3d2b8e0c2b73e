import { allSettled } from '@holdfast/base/all-settled'
import { Failure } from '@holdfast/base/failure'
import { FRAME_BYTES_MAX } from '../format/frame.ts'
import { packKey } from '../format/names.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import type { PackRow } from '../index/generation-index.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** What a record, one frame, says besides its packs: the notices most of all. */
const RECORD_REST_BYTES = 1 << 20

/** What the rows of packs in a record may come to: about 200,000 packs. */
const PACK_ROW_BYTES_MAX = FRAME_BYTES_MAX - RECORD_REST_BYTES

/** The packs of one commit on their way into the store. */
export class PackUploads {
  readonly #store: ObjectStore
  readonly #puts: Promise<void>[] = []
  readonly #packs: Omit<BuiltPack, 'parts'>[] = []
  #rowBytesLeft: number

  /** `named`: what the commit's record names besides. */
  constructor(
    store: ObjectStore,
    record: { readonly named?: readonly PackRow[]; readonly rowBytesMax?: number | undefined } = {},
  ) {
    const { named = [], rowBytesMax = PACK_ROW_BYTES_MAX } = record
    this.#store = store
    this.#rowBytesLeft = named.reduce((left, row) => left - rowBytes(row), rowBytesMax)
  }

  /**
   * Starts to put a pack; settles when it is durable or has failed. Rejects with `unsupported-file`, and puts nothing,
   * when the commit's record would have no room to name the pack.
   */
  put = ({ parts, ...pack }: BuiltPack): Promise<void> => {
    this.#rowBytesLeft -= rowBytes(pack)
    if (this.#rowBytesLeft < 0) return this.#keep(Promise.reject(this.#tooMany()))
    this.#packs.push(pack)
    return this.#keep(this.#store.put(packKey(pack.name), parts))
  }

  #keep(put: Promise<void>): Promise<void> {
    put.catch(() => {})
    this.#puts.push(put)
    return put
  }

  #tooMany(): Failure {
    const packs = this.#packs.length
    const bytes = this.#packs.reduce((sum, pack) => sum + pack.bytes, 0)
    const said = 'this is more than one generation can name: commit the directory before all of it is there'
    return new Failure('unsupported-file', `${said} (${packs} packs, ${bytes} bytes)`, { packs, bytes })
  }

  get packs(): readonly Omit<BuiltPack, 'parts'>[] {
    return this.#packs
  }

  /** Resolves when every pack is durable; rejects with the first failure, once none is in flight any more. */
  async durable(): Promise<void> {
    await allSettled(this.#puts)
  }
}

/** Bytes of a pack's row in a record, with its comma. */
function rowBytes({ name, bytes, sha256 }: PackRow): number {
  return JSON.stringify({ name, bytes, sha256 }).length + 1
}

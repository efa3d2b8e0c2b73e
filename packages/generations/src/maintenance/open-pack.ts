import { Failure } from '@holdfast/base/failure'
import { type ChunkId, chunkIdToHex } from '../format/chunk-id.ts'
import { decodeFrame, type FrameCoding } from '../format/frame.ts'
import { packKey } from '../format/names.ts'
import type { PackRow } from '../index/generation-index.ts'
import { proveChunk } from '../read/chunk-reader.ts'
import { openPackEnd, type PackEnd } from '../read/pack-reader.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** A chunk of an opened pack, proven against its id. */
export interface PackedChunk {
  readonly bytes: Uint8Array
  /** True when its frame is stored as it is: its bytes do not compress. */
  readonly isDense: boolean
}

/** A pack in memory, whole: some tens of MiB at most. */
export class OpenPack {
  readonly end: PackEnd
  readonly #coding: FrameCoding
  readonly #name: string
  readonly #bytes: Uint8Array
  #decoded: { readonly frame: number; readonly raw: Uint8Array } | undefined

  private constructor(coding: FrameCoding, name: string, parts: { bytes: Uint8Array; end: PackEnd }) {
    this.#coding = coding
    this.#name = name
    this.#bytes = parts.bytes
    this.end = parts.end
  }

  /** Rejects with `object-corrupt` for bytes of another length than the index says, and as `readPackEnd` does. */
  static parse(coding: FrameCoding, pack: PackRow, bytes: Uint8Array): OpenPack {
    if (bytes.length !== pack.bytes)
      throw new Failure('object-corrupt', `${pack.name} has ${bytes.length} bytes instead of ${pack.bytes}`, {
        pack: pack.name,
      })
    return new OpenPack(coding, pack.name, { bytes, end: openPackEnd(coding, pack, bytes) })
  }

  static async get(
    deps: { readonly store: ObjectStore; readonly coding: FrameCoding },
    pack: PackRow,
  ): Promise<OpenPack> {
    return OpenPack.parse(deps.coding, pack, await deps.store.get(packKey(pack.name)))
  }

  /** The raw bytes of a frame; the last one is kept for the next chunk. Rejects with `object-corrupt`. */
  frame(number: number): Uint8Array {
    if (this.#decoded?.frame === number) return this.#decoded.raw
    const frame = this.end.table.frame(number)
    const stored = this.#bytes.subarray(frame.offset, frame.offset + frame.storedBytes)
    const raw = decodeFrame(this.#coding, this.#name, frame, stored)
    this.#decoded = { frame: number, raw }
    return raw
  }

  /** Rejects with `chunk-missing`, `chunk-corrupt` or `object-corrupt`. */
  chunk(id: ChunkId): PackedChunk {
    const place = this.end.table.find(id)
    if (place === undefined) {
      const chunk = chunkIdToHex(id)
      throw new Failure('chunk-missing', `${this.#name} does not hold chunk ${chunk}`, { chunk })
    }
    const bytes = this.frame(place.frame).subarray(place.offset, place.offset + place.bytes)
    proveChunk(id, bytes)
    return { bytes, isDense: this.end.table.frame(place.frame).codec === 'raw' }
  }
}

import { Failure } from '@holdfast/base/failure'
import { ChunkTable } from '../format/chunk-table.ts'
import { decodeFrame, type FrameCoding } from '../format/frame.ts'
import { UNSEALED } from '../format/frame-seal.ts'
import { packKey } from '../format/names.ts'
import {
  checkPackTail,
  decodePackTrailer,
  type FrameSize,
  PACK_TRAILER_BYTES,
  type PackTrailer,
} from '../format/pack-trailer.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** Read from a pack's end at first: the footers of most packs fit, so one request suffices. */
const TAIL_BYTES_GUESS = 64 * 1024

export interface PackEnd {
  readonly trailer: PackTrailer
  readonly table: ChunkTable
  /** The pack's hash, 64 hex digits. */
  readonly sha256: string
  /** The generation record that this pack completes, or null. */
  readonly record: Uint8Array | null
}

/**
 * Reads the footer of a pack of `packBytes`, and the generation record where it has one. Rejects with
 * `object-missing`, `object-corrupt`, `foreign-format`, `version-unknown` or `wrong-key`.
 */
export async function readPackEnd(
  deps: { readonly store: ObjectStore; readonly coding: FrameCoding },
  pack: { readonly name: string; readonly bytes: number; readonly sha256?: string },
): Promise<PackEnd> {
  if (pack.bytes < PACK_TRAILER_BYTES)
    throw new Failure('object-corrupt', `${pack.name} is too short for a pack`)
  const key = packKey(pack.name)
  const guess = Math.min(pack.bytes, TAIL_BYTES_GUESS)
  let end = await deps.store.get(key, { offset: pack.bytes - guess, length: guess })
  const { footerOffset } = decodePackTrailer(end.subarray(end.length - PACK_TRAILER_BYTES), pack.name)
  const needed = pack.bytes - footerOffset
  if (needed > end.length) end = await deps.store.get(key, { offset: footerOffset, length: needed })
  return openPackEnd(deps.coding, pack, end)
}

/** Parses the last bytes of a pack, from its footer on or from before it; rejects as `readPackEnd` does. */
export function openPackEnd(
  coding: FrameCoding,
  pack: { readonly name: string; readonly bytes: number; readonly sha256?: string },
  end: Uint8Array,
): PackEnd {
  const trailerBytes = end.subarray(Math.max(0, end.length - PACK_TRAILER_BYTES))
  const trailer = decodePackTrailer(trailerBytes, pack.name)
  const needed = pack.bytes - trailer.footerOffset
  const tail = end.subarray(Math.max(0, end.length - needed), end.length - PACK_TRAILER_BYTES)
  const sha256 = checkPackTail(trailerBytes, tail, pack.name)
  if (pack.sha256 !== undefined && pack.sha256 !== sha256) {
    throw new Failure('object-corrupt', `${pack.name} is another pack than the one committed`, {
      pack: pack.name,
    })
  }
  return { ...decodeEnd(coding, { name: pack.name, trailer, tail }), sha256 }
}

function decodeEnd(
  coding: FrameCoding,
  pack: { name: string; trailer: PackTrailer; tail: Uint8Array },
): Omit<PackEnd, 'sha256'> {
  const { name, trailer, tail } = pack
  checkKey(coding, trailer.keyId, name)
  const { footer, record, frames } = trailer
  if (tail.length !== footer.storedBytes + (record?.storedBytes ?? 0)) {
    throw new Failure('object-corrupt', `the footer of ${name} has another size than its trailer says`, {
      pack: name,
    })
  }
  const decode = (ordinal: number, size: FrameSize, stored: Uint8Array) =>
    decodeFrame(coding, name, { ...size, ordinal }, stored)
  const table = new ChunkTable(decode(frames, footer, tail.subarray(0, footer.storedBytes)))
  const [own] = table.packs
  if (table.packs.length !== 1 || own?.name !== name) {
    const found = own?.name ?? 'no pack'
    throw new Failure('object-corrupt', `${name} holds the bytes of ${found}`, { pack: name, found })
  }
  return {
    trailer,
    table,
    record: record && decode(frames + 1, record, tail.subarray(footer.storedBytes)),
  }
}

/** Rejects with `wrong-key` unless the store's key is the one that `pack` was sealed with. */
export function checkKey(coding: FrameCoding, keyId: string, pack: string): void {
  const ours = coding.seal?.keyId ?? UNSEALED
  if (keyId === ours) return
  const said =
    keyId === UNSEALED
      ? 'is not sealed'
      : ours === UNSEALED
        ? 'is sealed and no key was given'
        : 'is sealed with another key'
  throw new Failure('wrong-key', `${pack} ${said}`, { pack, keyId })
}

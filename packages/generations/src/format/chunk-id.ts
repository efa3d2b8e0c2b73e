import { hash } from 'node:crypto'
import type { ByteString } from './byte-string.ts'

/** SHA-256 of a chunk's plain bytes, as 32 one-byte chars. */
export type ChunkId = ByteString

export const CHUNK_ID_BYTES = 32

export function chunkIdOf(bytes: Uint8Array): ChunkId {
  return hash('sha256', bytes, 'binary')
}

/** The id for a person or a URL: 64 hex digits. */
export function chunkIdToHex(id: ChunkId): string {
  return Buffer.from(id, 'latin1').toString('hex')
}

export function chunkIdFromHex(hex: string): ChunkId {
  return Buffer.from(hex, 'hex').toString('latin1')
}

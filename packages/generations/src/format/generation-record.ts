import { hash } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'
import type { Consistency, GenerationCause } from '@holdfast/protocol/generation'
import type { ChunkIndexSource, PackRow } from '../index/generation-index.ts'

/** Something in the directory that the generation does not hold as it is, said rather than hidden. */
export interface Notice {
  readonly path: string
  readonly reason: NoticeReason
}

export type NoticeReason =
  | 'fifo-skipped'
  | 'socket-skipped'
  | 'subvolume-skipped'
  | 'appended-while-read'
  | 'not-captured'

/**
 * One commit, as it stands in the pack that it completes: JSON in UTF-8 with the keys in this order. The SHA-256 of
 * those bytes is the generation's id; workspace, epoch, parent, sequence and nonce are in it, so ids never repeat.
 */
export interface GenerationRecord {
  readonly format: 1
  readonly org: string
  readonly workspace: string
  readonly epoch: number
  readonly sequence: number
  readonly parent: string | null
  /** 32 random hex digits. */
  readonly nonce: string
  readonly createdAt: number
  readonly cause: GenerationCause
  readonly message: string
  readonly consistency: Consistency
  /** Chunk id of the root node, 64 hex digits. */
  readonly root: string
  readonly files: number
  readonly bytes: number
  readonly databases: number
  readonly notices: readonly Notice[]
  /** Where all chunks are, besides the pack that holds this record: enough for a restore from the bucket alone. */
  readonly index: ChunkIndexSource
  /** This commit's other packs. */
  readonly packs: readonly PackRow[]
}

/** A record names so many notices at most, the first ones. */
export const NOTICES_MAX = 1000

export function encodeGenerationRecord(record: GenerationRecord): {
  readonly id: string
  readonly bytes: Uint8Array
} {
  const bytes = Buffer.from(JSON.stringify(record), 'utf8')
  return { id: hash('sha256', bytes, 'hex'), bytes }
}

/** Rejects with `version-unknown` or `object-corrupt`. */
export function decodeGenerationRecord(bytes: Uint8Array): GenerationRecord & { readonly id: string } {
  const parsed = parseJson(bytes)
  if (parsed.format !== 1)
    throw new Failure('version-unknown', `generation record of format ${String(parsed.format)}`)
  if (!isRecord(parsed)) throw new Failure('object-corrupt', 'a generation record lacks a field')
  return { ...parsed, id: hash('sha256', bytes, 'hex') }
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
    )
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // falls through to the one failure for bytes that are no record
  }
  throw new Failure('object-corrupt', 'a generation record is not JSON')
}

const STRINGS = ['org', 'workspace', 'nonce', 'cause', 'message'] as const
const NUMBERS = ['epoch', 'sequence', 'createdAt', 'files', 'bytes', 'databases'] as const

function isRecord(value: Record<string, unknown>): value is Record<string, unknown> & GenerationRecord {
  return (
    STRINGS.every((key) => typeof value[key] === 'string') &&
    NUMBERS.every((key) => isCount(value[key])) &&
    (value.parent === null || isDigest(value.parent)) &&
    isDigest(value.root) &&
    (value.consistency === 'cut' || value.consistency === 'per-database') &&
    isNotices(value.notices) &&
    isPackRows(value.packs) &&
    isIndexSource(value.index)
  )
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** A SHA-256 as hex digits. */
function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function isNotices(value: unknown): value is readonly Notice[] {
  return Array.isArray(value) && value.every(isNotice)
}

function isNotice(value: unknown): value is Notice {
  if (typeof value !== 'object' || value === null) return false
  const { path, reason } = value as Record<string, unknown>
  return typeof path === 'string' && typeof reason === 'string'
}

function isIndexSource(value: unknown): value is ChunkIndexSource {
  if (typeof value !== 'object' || value === null) return false
  const { baseObjects, deltaPacks } = value as Record<string, unknown>
  return (
    Array.isArray(baseObjects) &&
    baseObjects.every((key) => typeof key === 'string') &&
    isPackRows(deltaPacks)
  )
}

function isPackRows(value: unknown): value is readonly PackRow[] {
  return Array.isArray(value) && value.every(isPackRow)
}

function isPackRow(value: unknown): value is PackRow {
  if (typeof value !== 'object' || value === null) return false
  const { name, bytes, sha256 } = value as Record<string, unknown>
  return typeof name === 'string' && isCount(bytes) && isDigest(sha256)
}

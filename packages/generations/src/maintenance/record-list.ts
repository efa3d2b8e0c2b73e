import { Failure } from '@holdfast/base/failure'

/**
 * What stands in the place of the generation record in a pack that compaction wrote: which of its chunks are
 * generation records. A record's chunk id is the generation's id, since both are the SHA-256 of its bytes.
 *
 *     {"format":1,"kind":"records","ids":["<64 hex digits>", …]}     JSON in UTF-8
 */
export interface RecordList {
  readonly ids: readonly string[]
}

export function encodeRecordList(ids: readonly string[]): Uint8Array {
  return Buffer.from(JSON.stringify({ format: 1, kind: 'records', ids }), 'utf8')
}

/** The list, or undefined for bytes that are something else, such as a generation record. */
export function decodeRecordList(bytes: Uint8Array): RecordList | undefined {
  const value = parseJson(bytes)
  if (value === undefined || value.kind !== 'records') return undefined
  const { format, ids } = value
  if (format !== 1) throw new Failure('version-unknown', `list of records of format ${String(format)}`)
  if (!isIds(ids)) throw new Failure('object-corrupt', 'a list of records holds something else')
  return { ids }
}

function isIds(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((id) => typeof id === 'string' && /^[0-9a-f]{64}$/.test(id))
}

function parseJson(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // falls through: bytes that are no JSON are no list
  }
  return undefined
}

import { Failure } from '@holdfast/base/failure'
import type { ByteRange } from './object-store.ts'

/** Longest key, in bytes: an S3 key of 1,024 bytes leaves room for an address prefix of the same length. */
export const objectKeyBytesMax = 512
/** Largest object, in bytes; bounds what one `put` or `get` holds in memory. */
export const objectBytesMax = 1024 * 1024 * 1024

/** Rejects with `invalid-argument` unless `key` is `/`-separated parts of `[A-Za-z0-9._-]`, none empty, `.` or `..`. */
export function checkObjectKey(key: string): void {
  checkLength(key)
  for (const part of key.split('/')) {
    if (!isKeyPart(part)) throw refusal('not an object key', key)
  }
}

/**
 * Rejects with `invalid-argument` unless `prefix` can begin a key: empty, or a key cut after any of its characters.
 */
export function checkKeyPrefix(prefix: string): void {
  checkLength(prefix)
  const parts = prefix.split('/')
  const last = parts.pop() ?? ''
  const whole = parts.every(isKeyPart) && /^[A-Za-z0-9._-]{0,255}$/.test(last)
  if (!whole) throw refusal('not the beginning of an object key', prefix)
}

/** True if `part` may stand between two slashes of a key. */
export function isKeyPart(part: string): boolean {
  return /^[A-Za-z0-9._-]{1,255}$/.test(part) && part !== '.' && part !== '..'
}

/** Rejects with `invalid-argument` unless both numbers are whole, not negative, and their sum is exact. */
export function checkByteRange(range: ByteRange): void {
  const { offset, length } = range
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
  if (!whole || offset < 0 || length < 0 || !Number.isSafeInteger(offset + length)) {
    throw new Failure('invalid-argument', `not a byte range: ${offset}+${length}`, { offset, length })
  }
}

/** The total size of `parts` in bytes; rejects with `invalid-argument` above `objectBytesMax`. */
export function measureParts(parts: readonly Uint8Array[]): number {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0)
  if (bytes > objectBytesMax) {
    throw new Failure('invalid-argument', `an object of ${bytes} bytes is too large`, {
      bytes,
      bytesMax: objectBytesMax,
    })
  }
  return bytes
}

/** The failure of a range that reaches past the end of an object of `bytes` bytes. */
export function rangePastEnd(key: string, bytes: number, range: ByteRange): Failure {
  return new Failure('object-corrupt', `object ${key} ends before byte ${range.offset + range.length}`, {
    key,
    bytes,
    offset: range.offset,
    length: range.length,
  })
}

export function objectMissing(key: string): Failure {
  return new Failure('object-missing', `object ${key} is not in the store`, { key })
}

export function objectExists(key: string): Failure {
  return new Failure('already-exists', `object ${key} exists with other bytes`, { key })
}

function checkLength(text: string): void {
  if (text.length > objectKeyBytesMax) throw refusal('an object key is too long', text)
}

function refusal(reason: string, text: string): Failure {
  return new Failure('invalid-argument', `${reason}: ${JSON.stringify(text.slice(0, 80))}`, {
    length: text.length,
  })
}

/** One stored object, as a listing shows it. */
export interface StoredObject {
  readonly key: string
  readonly bytes: number
  /** Milliseconds since 1970 by the store's own clock. */
  readonly modifiedAt: number
}

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/**
 * Where bytes live longer than machines. Keys are `/`-separated, ASCII, without empty, `.` or `..` parts.
 *
 * Every method rejects with `store-unavailable` (try again), `store-full`, `store-read-only` or `no-permission`, on S3
 * also with `store-denied`, `store-missing` or `clock-skew`; a rejected `put` or `delete` may have happened all the same.
 */
export interface ObjectStore extends AsyncDisposable {
  /** The address as a person would type it, without secrets. */
  readonly address: string

  /**
   * Creates the object; when it resolves, the bytes survive power loss. `parts` are stored one after another.
   * Keys are never re-used: an object that exists with these very bytes is an earlier attempt of the caller's and
   * counts as success; with other bytes the call rejects with `already-exists`.
   */
  put(key: string, parts: readonly Uint8Array[]): Promise<void>

  /**
   * The object's bytes, or exactly `range` of them. Rejects with `object-missing` when there is no such object and
   * with `object-corrupt` when it ends before the range does.
   */
  get(key: string, range?: ByteRange): Promise<Uint8Array>

  /** The object's size, or undefined when there is none. */
  head(key: string): Promise<{ readonly bytes: number } | undefined>

  /** Every object whose key starts with `prefix`, in no particular order. Objects created meanwhile may be missing. */
  list(prefix: string): AsyncIterable<StoredObject>

  /** Removes the object; one that is already gone is no failure. */
  delete(key: string): Promise<void>
}

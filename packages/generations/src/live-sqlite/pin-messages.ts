import type { ByteString } from '../format/byte-string.ts'

/** What the pinning process is asked to do with the database at `path`, absolute. */
export type PinRequest =
  /** Opens the database for reading only and begins a read transaction: the lock of its journal mode. */
  | { readonly kind: 'lock'; readonly path: ByteString }
  /** Opens the database and begins a read transaction that the following requests move on. */
  | { readonly kind: 'pin'; readonly path: ByteString }
  /** Does nothing: whoever answers has held its transaction until now. */
  | { readonly kind: 'confirm'; readonly path: ByteString }
  /** Begins a second read transaction at the present end, beside the first. */
  | { readonly kind: 'overlap'; readonly path: ByteString }
  /** Ends the older of two read transactions. */
  | { readonly kind: 'drop-older'; readonly path: ByteString }
  /** Takes the write lock: nobody commits until `checkpoint`. */
  | { readonly kind: 'barrier'; readonly path: ByteString }
  /** Under the barrier: unpins, checkpoints (PASSIVE), pins again, ends the barrier. */
  | { readonly kind: 'checkpoint'; readonly path: ByteString }
  /** Closes every connection. */
  | { readonly kind: 'release'; readonly path: ByteString }

export type PinReply =
  | { readonly id: number; readonly kind: 'done' }
  /** Somebody else holds the lock that is needed; nothing has changed. */
  | { readonly id: number; readonly kind: 'busy' }
  /** SQLite cannot do it, or the database keeps no WAL to pin; nothing is open. */
  | { readonly id: number; readonly kind: 'failed' }

export type PinCall = PinRequest & { readonly id: number }

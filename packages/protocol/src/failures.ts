/** What a caller, an operator and a retry loop may conclude from a failure of each kind. */
export type FailureKind =
  | 'refused' // the caller must change something
  | 'unavailable' // try again; the only kind that is retried
  | 'fenced' // this writer's authority has ended
  | 'broken' // an invariant or stored bytes are wrong: keep the evidence, alert

interface FailureRow {
  readonly kind: FailureKind
  readonly http: number
  /** What to do next, in words that make sense without the source. */
  readonly hint: string
}

/**
 * Every failure that crosses a process boundary or reaches a person. Closed: adding a row is a protocol change.
 * `docs/failures.md` is this table for readers; a test keeps both equal.
 */
export const FAILURES = {
  'invalid-argument': {
    kind: 'refused',
    http: 400,
    hint: 'correct the named argument; --help shows its shape',
  },
  'not-found': { kind: 'refused', http: 404, hint: 'list what exists, then use one of those names' },
  'already-exists': {
    kind: 'refused',
    http: 409,
    hint: 'choose another name or path, or remove the old one first',
  },
  'not-empty': {
    kind: 'refused',
    http: 409,
    hint: 'name a path that does not exist yet, or an empty directory',
  },
  'no-permission': {
    kind: 'refused',
    http: 403,
    hint: 'grant this user access to the named path, or run as its owner',
  },
  'unsupported-here': {
    kind: 'refused',
    http: 422,
    hint: 'run `hold doctor` to see what this machine lacks',
  },
  'unsupported-file': {
    kind: 'refused',
    http: 422,
    hint: 'move the named file away: devices, and what is too deep or too large, cannot be kept',
  },
  'wrong-key': { kind: 'refused', http: 403, hint: 'pass the key that the store was created with' },
  'version-unknown': {
    kind: 'refused',
    http: 422,
    hint: 'these bytes were written by a newer Holdfast: upgrade this one',
  },
  'foreign-format': {
    kind: 'refused',
    http: 422,
    hint: 'these are not Holdfast bytes: check the path or bucket',
  },
  'lease-held': {
    kind: 'refused',
    http: 409,
    hint: 'another process writes this directory: use `hold dir sync`, or stop it',
  },
  'already-running': {
    kind: 'refused',
    http: 409,
    hint: 'use the one that runs, end it first, or set HOLDFAST_HOME to another folder',
  },
  'port-taken': {
    kind: 'refused',
    http: 409,
    hint: 'end what listens there, or choose another: --api or --apps of `hold up`, the named setting of `hold server`',
  },
  'file-unstable': {
    kind: 'unavailable',
    http: 503,
    hint: 'the file kept changing while it was read: commit under a freeze',
  },
  'volume-full': {
    kind: 'unavailable',
    http: 507,
    hint: 'free space on the named filesystem, then try again',
  },
  'store-full': { kind: 'unavailable', http: 507, hint: 'free space in the object store, then try again' },
  'store-unavailable': {
    kind: 'unavailable',
    http: 503,
    hint: 'the object store does not answer: check its address and health',
  },
  'store-denied': {
    kind: 'refused',
    http: 403,
    hint: 'correct the credentials for the store, or grant them what docs/s3.md lists',
  },
  'store-missing': {
    kind: 'refused',
    http: 404,
    hint: 'make the bucket, or correct the bucket, region or endpoint in the address',
  },
  'clock-skew': {
    kind: 'unavailable',
    http: 503,
    hint: 'set the clock of this machine: the store refuses requests that are signed minutes off',
  },
  'store-read-only': {
    kind: 'refused',
    http: 403,
    hint: 'give this process write access to the object store',
  },
  'store-unsuitable': {
    kind: 'refused',
    http: 422,
    hint: 'choose another store: this one does not keep what it promises',
  },
  'index-unavailable': {
    kind: 'unavailable',
    http: 503,
    hint: 'the metadata database does not answer: try again',
  },
  'outcome-unknown': {
    kind: 'unavailable',
    http: 503,
    hint: 'the commit may have happened: submit it again, unchanged',
  },
  'gc-expired': {
    kind: 'unavailable',
    http: 503,
    hint: 'this commit stalled past the grace of GC: commit again',
  },
  'source-failed': {
    kind: 'unavailable',
    http: 503,
    hint: 'the disk refused a read or a sync: check the disk, then commit again',
  },
  'lease-lost': {
    kind: 'fenced',
    http: 409,
    hint: 'another writer has taken over: start again from its head',
  },
  'head-moved': {
    kind: 'fenced',
    http: 409,
    hint: 'the history grew elsewhere: start again from the present head',
  },
  unauthenticated: {
    kind: 'refused',
    http: 401,
    hint: 'pass a key that is known and has not expired: HOLDFAST_API_KEY, or authorization: Bearer',
  },
  forbidden: { kind: 'refused', http: 403, hint: 'use a key that has the named scope' },
  misdirected: {
    kind: 'refused',
    http: 421,
    hint: 'use an address from the configured list of this server',
  },
  'invalid-state': {
    kind: 'refused',
    http: 409,
    hint: 'take one of the allowed actions, or wait until the status has changed',
  },
  'idempotency-mismatch': {
    kind: 'refused',
    http: 422,
    hint: 'this Idempotency-Key was used for another request: take a new one',
  },
  'server-unreachable': {
    kind: 'unavailable',
    http: 503,
    hint: 'start the server with `hold up`, or name a running one by HOLDFAST_URL and HOLDFAST_API_KEY',
  },
  'too-large': { kind: 'refused', http: 413, hint: 'send less at once, or stream it as a file' },
  'too-many-requests': { kind: 'unavailable', http: 429, hint: 'wait as long as Retry-After says' },
  overloaded: { kind: 'unavailable', http: 503, hint: 'wait as long as Retry-After says, then try again' },
  'timed-out': {
    kind: 'unavailable',
    http: 504,
    hint: 'it may still happen: look at the state, then ask again with the same key',
  },
  'no-host': {
    kind: 'unavailable',
    http: 503,
    hint: 'no host has room for this workspace with that isolation: see `hold hosts`',
  },
  'host-unreachable': {
    kind: 'unavailable',
    http: 503,
    hint: 'the host does not answer: the workspace is recovered elsewhere once its lease has run out',
  },
  'isolation-unavailable': {
    kind: 'refused',
    http: 422,
    hint: 'no runtime here isolates as much as is asked for: run `hold doctor` on the host',
  },
  'sandbox-failed': {
    kind: 'unavailable',
    http: 503,
    hint: 'the sandbox could not be started: run `hold doctor` on the host',
  },
  'sandbox-gone': {
    kind: 'unavailable',
    http: 503,
    hint: 'the sandbox has ended: resume the workspace',
  },
  'image-refused': {
    kind: 'refused',
    http: 422,
    hint: 'name an image for this machine that its registry serves to everybody, whole and unchanged',
  },
  'image-unavailable': {
    kind: 'unavailable',
    http: 503,
    hint: 'the image registry does not answer: check its address, then try again',
  },
  'exec-failed': {
    kind: 'refused',
    http: 422,
    hint: 'name a program that exists in the sandbox, and a directory that it may enter',
  },
  'port-unreachable': {
    kind: 'unavailable',
    http: 502,
    hint: 'nothing listens on that port of 127.0.0.1 inside: start the service first',
  },
  'chunk-missing': { kind: 'broken', http: 500, hint: 'run `hold dir verify DIR` to list what is damaged' },
  'chunk-corrupt': { kind: 'broken', http: 500, hint: 'run `hold dir verify DIR` to list what is damaged' },
  'object-missing': { kind: 'broken', http: 500, hint: 'run `hold dir verify DIR` to list what is damaged' },
  'object-corrupt': { kind: 'broken', http: 500, hint: 'run `hold dir verify DIR` to list what is damaged' },
  'database-corrupt': {
    kind: 'broken',
    http: 500,
    hint: 'restore an older generation: `hold dir history DIR`',
  },
  'history-corrupt': {
    kind: 'broken',
    http: 500,
    hint: 'run `hold dir rebuild` to recover the history from the store',
  },
  'stream-corrupt': {
    kind: 'broken',
    http: 500,
    hint: 'the change list is damaged: the next commit scans the whole directory',
  },
  'helper-failed': { kind: 'unavailable', http: 503, hint: 'the native helper stopped: run `hold doctor`' },
  internal: { kind: 'broken', http: 500, hint: 'this is a defect: please report it with the details' },
} as const satisfies Readonly<Record<string, FailureRow>>

export type FailureCode = keyof typeof FAILURES

import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'

/** What an S3 request that went wrong says about the object, and whether to send it again. */
export interface S3Trouble {
  readonly turn: S3Turn
  readonly failure: Failure
}

export type S3Turn =
  | 'refused' // the service answered, and will answer the same again
  | 'busy' // not done; send it again
  | 'unknown' // done or not; send it again
  | 'taken' // 412: the key exists, by another's hand or by an earlier attempt of ours
  | 'contended' // 409: another request for this key was under way; send it again
  | 'past-end' // 416: the object ends before the range begins

interface Row {
  readonly turn: S3Turn
  readonly code: FailureCode
}

const NO_BUCKET: Row = { turn: 'refused', code: 'store-missing' }
const DENIED: Row = { turn: 'refused', code: 'store-denied' }
const UNKNOWN: Row = { turn: 'unknown', code: 'store-unavailable' }
/** A 404 to one of these is about the bucket. */
const needNoObject: readonly string[] = ['PutObject', 'ListObjectsV2']

/** By the service's own error code, which says more than the status; of AWS, MinIO and radosgw. */
const ROW_OF_CODE: Readonly<Record<string, Row>> = {
  NoSuchBucket: NO_BUCKET,
  PermanentRedirect: NO_BUCKET, // it is in another region
  AuthorizationHeaderMalformed: NO_BUCKET, // it is in another region
  CredentialsProviderError: DENIED, // thrown by the SDK before anything is sent
  ExpiredToken: DENIED,
  InvalidToken: DENIED,
  QuotaExceeded: { turn: 'refused', code: 'store-full' },
  XMinioStorageFull: { turn: 'refused', code: 'store-full' },
  RequestTimeTooSkewed: { turn: 'busy', code: 'clock-skew' }, // the SDK sets its clock by the answer
  RequestTimeout: { turn: 'busy', code: 'store-unavailable' },
  IncompleteBody: { turn: 'busy', code: 'store-unavailable' },
  BadDigest: { turn: 'busy', code: 'store-unavailable' },
  XAmzContentChecksumMismatch: { turn: 'busy', code: 'store-unavailable' },
  XAmzContentSHA256Mismatch: { turn: 'busy', code: 'store-unavailable' },
}

const ROW_OF_STATUS: Readonly<Record<number, Row>> = {
  301: NO_BUCKET,
  307: { turn: 'busy', code: 'store-unavailable' },
  400: { turn: 'refused', code: 'store-unsuitable' },
  401: DENIED,
  403: DENIED,
  404: { turn: 'refused', code: 'object-missing' },
  405: { turn: 'refused', code: 'store-unsuitable' },
  408: { turn: 'busy', code: 'store-unavailable' },
  409: { turn: 'contended', code: 'store-unavailable' },
  412: { turn: 'taken', code: 'store-unavailable' },
  416: { turn: 'past-end', code: 'object-corrupt' },
  429: { turn: 'busy', code: 'store-unavailable' },
  500: { turn: 'unknown', code: 'store-unavailable' },
  501: { turn: 'refused', code: 'store-unsuitable' },
  503: { turn: 'busy', code: 'store-unavailable' },
  507: { turn: 'refused', code: 'store-full' },
}

/** What `error`, thrown by one request of the SDK, means. A Failure keeps its code. */
export function s3Trouble(
  error: unknown,
  request: { readonly name: string; readonly key: string },
): S3Trouble {
  if (error instanceof Failure) return { turn: error.retryable ? 'unknown' : 'refused', failure: error }
  const status = statusOf(error)
  const code = error instanceof Error ? error.name : 'unknown'
  const row = rowOf(code, status, request.name)
  const details = { ...request, status: status ?? null, error: code }
  return { turn: row.turn, failure: new Failure(row.code, sentence(error, request, details), details, error) }
}

function sentence(
  error: unknown,
  { name, key }: { readonly name: string; readonly key: string },
  { status, error: code }: { readonly status: number | null; readonly error: string },
): string {
  if (code === 'CredentialsProviderError')
    return 'there are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE'
  const outcome = status === null ? `no answer (${errnoOf(error) ?? code})` : `${code} (${status})`
  return `${name} of ${key || 'the bucket'} failed: ${outcome}`
}

function rowOf(code: string, status: number | undefined, requestName: string): Row {
  const byCode = ROW_OF_CODE[code]
  if (byCode) return byCode
  if (status === undefined) return UNKNOWN
  if (status === 404 && needNoObject.includes(requestName)) return NO_BUCKET
  return ROW_OF_STATUS[status] ?? UNKNOWN
}

/** The HTTP status that the SDK recorded; undefined when no answer came. */
function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined
  const metadata = error.$metadata
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}

import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { headerOf, type S3Answer, type S3Call, s3Error } from './s3-wire.ts'

export interface S3KeyPair {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
}

const authorizationShape =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/

const SKEW_MS_MAX = 15 * 60_000

/**
 * Why the request is to be refused, or undefined if it is signed as "Authenticating Requests (AWS Signature Version
 * 4)" of the S3 API reference says, over its whole body, at about `now` (milliseconds since 1970).
 */
export function checkS3Signature(call: S3Call, keys: S3KeyPair, now: number): S3Answer | undefined {
  const [, keyId, day = '', region = '', names = '', signature = ''] =
    authorizationShape.exec(headerOf(call, 'authorization') ?? '') ?? []
  if (keyId === undefined) return s3Error(403, 'AccessDenied')
  if (keyId !== keys.accessKeyId) return s3Error(403, 'InvalidAccessKeyId')
  if (region !== keys.region) return s3Error(400, 'AuthorizationHeaderMalformed')
  const payload = headerOf(call, 'x-amz-content-sha256') ?? ''
  if (payload !== hash('sha256', call.body, 'hex')) return s3Error(400, 'XAmzContentSHA256Mismatch')
  const signed = names.split(';')
  const needed = ['host', ...Object.keys(call.headers).filter((name) => name.startsWith('x-amz-'))]
  if (!needed.every((name) => signed.includes(name))) return s3Error(403, 'AccessDenied')
  const scope = `${day}/${region}/s3/aws4_request`
  const at = headerOf(call, 'x-amz-date') ?? ''
  const text = [
    'AWS4-HMAC-SHA256',
    at,
    scope,
    hash('sha256', canonicalRequest(call, signed, payload), 'hex'),
  ].join('\n')
  const key = [day, region, 's3', 'aws4_request'].reduce<Buffer>(
    (secret, part) => hmac(secret, part),
    Buffer.from(`AWS4${keys.secretAccessKey}`),
  )
  const same = timingSafeEqual(hmac(key, text), Buffer.from(signature, 'hex'))
  if (!same) return s3Error(403, 'SignatureDoesNotMatch')
  return Math.abs(instantOf(at) - now) <= SKEW_MS_MAX ? undefined : s3Error(403, 'RequestTimeTooSkewed')
}

/** Milliseconds since 1970 of a time such as `20260131T235959Z`. */
function instantOf(text: string): number {
  return Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

function canonicalRequest(call: S3Call, signed: readonly string[], payload: string): string {
  const query = [...call.query]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const headers = signed.map((name) => `${name}:${(headerOf(call, name) ?? '').trim().replace(/ +/g, ' ')}\n`)
  return [call.method, call.path, query, headers.join(''), signed.join(';'), payload].join('\n')
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

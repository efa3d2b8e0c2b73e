import { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'
import { Failure } from '@holdfast/base/failure'
import { objectBytesMax } from './object-key.ts'
import type { S3Address } from './s3-address.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/**
 * Fixed credentials, or a source that is asked again before they expire. `aws`: where every AWS tool looks, in the
 * environment, the profile, a web identity, then what a container or a machine is given; the SDK reads these by itself.
 */
export type S3CredentialSource =
  | S3Credentials
  | (() => Promise<S3Credentials & { readonly expiration?: Date }>)
  | 'aws'

/** The SDK, which takes 0.2 s to load: only processes that use S3 pay for it. */
export type S3Sdk = typeof import('@aws-sdk/client-s3')

const connectMsMax = 5_000

export async function loadS3Sdk(): Promise<S3Sdk> {
  return import('@aws-sdk/client-s3')
}

/** A client that neither retries nor adds checksums by itself: `S3Attempts` and the store do. */
export function createS3Client(sdk: S3Sdk, address: S3Address, credentials: S3CredentialSource): S3Client {
  return new sdk.S3Client({
    region: address.region,
    ...(address.endpoint === undefined ? {} : { endpoint: address.endpoint }),
    forcePathStyle: address.pathStyle,
    ...(credentials === 'aws' ? {} : { credentials }),
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: connectMsMax },
  })
}

/**
 * All bytes of an answer's body, whose length must be `length`: a connection cut in the middle of a 200 is a failed
 * request (`store-unavailable`), not a short object.
 */
export async function receiveBody(
  body: unknown,
  length: number | undefined,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (!(body instanceof Readable)) throw new Failure('store-unavailable', 'the answer has no body')
  const stop = () => body.destroy(new Failure('store-unavailable', 'the answer took too long'))
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    if (length === undefined || length > objectBytesMax) {
      throw new Failure('store-unavailable', 'the answer does not say how long it is', {
        length: length ?? null,
      })
    }
    return await fill(Buffer.allocUnsafeSlow(length), body)
  } finally {
    signal.removeEventListener('abort', stop)
    discardBody(body)
  }
}

/** Gives up an answer's body together with its connection. */
export function discardBody(body: unknown): void {
  if (body instanceof Readable) body.destroy()
}

async function fill(target: Buffer, body: Readable): Promise<Buffer> {
  let filled = 0
  for await (const part of body) {
    if (!(part instanceof Uint8Array) || filled + part.length > target.length) {
      throw new Failure('store-unavailable', 'the answer is longer than it says', { bytes: target.length })
    }
    target.set(part, filled)
    filled += part.length
  }
  if (filled !== target.length) {
    throw new Failure('store-unavailable', 'the answer is shorter than it says', {
      bytes: target.length,
      filled,
    })
  }
  return target
}

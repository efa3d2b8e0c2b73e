import { hash } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { Failure, isFailure } from '@holdfast/base/failure'
import {
  checkByteRange,
  checkKeyPrefix,
  checkObjectKey,
  isKeyPart,
  measureParts,
  objectExists,
  rangePastEnd,
} from './object-key.ts'
import type { ByteRange, ObjectStore, StoredObject } from './object-store.ts'
import { formatS3Address, type S3Address } from './s3-address.ts'
import { S3Attempts, type S3AttemptsDeps } from './s3-attempts.ts'
import {
  createS3Client,
  discardBody,
  loadS3Sdk,
  receiveBody,
  type S3CredentialSource,
  type S3Sdk,
} from './s3-client.ts'
import type { S3Trouble } from './s3-trouble.ts'

export interface S3StoreDeps extends S3AttemptsDeps {
  readonly credentials: S3CredentialSource
}

/** Pages of one listing: at 1,000 keys each, a thousand million objects. */
const listPagesMax = 1_000_000

/**
 * Opens a bucket as an object store without sending anything. Creation asks the service to refuse existing keys
 * (`If-None-Match: *`), and does not rely on it: many answer 200 and overwrite, and keys are random.
 */
export async function openS3ObjectStore(address: S3Address, deps: S3StoreDeps): Promise<ObjectStore> {
  const sdk = await loadS3Sdk()
  return new S3ObjectStore({ sdk, address, client: createS3Client(sdk, address, deps.credentials), deps })
}

class S3ObjectStore implements ObjectStore {
  readonly address: string
  readonly #sdk: S3Sdk
  readonly #client: S3Client
  readonly #bucket: string
  readonly #prefix: string
  readonly #attempts: S3Attempts

  constructor(parts: { sdk: S3Sdk; address: S3Address; client: S3Client; deps: S3AttemptsDeps }) {
    this.address = formatS3Address(parts.address)
    this.#sdk = parts.sdk
    this.#client = parts.client
    this.#bucket = parts.address.bucket
    this.#prefix = parts.address.prefix === '' ? '' : `${parts.address.prefix}/`
    this.#attempts = new S3Attempts(parts.deps)
  }

  async put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    checkObjectKey(key)
    const bytes = measureParts(parts)
    const [only] = parts
    const body = parts.length === 1 && only ? only : Buffer.concat(parts, bytes)
    const sha256 = hash('sha256', body, 'base64')
    await this.#attempts.runOnce(
      { name: 'PutObject', key, call: (signal) => this.#create(key, { body, sha256 }, signal) },
      (trouble) => this.#isStored(key, body, trouble),
    )
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    checkObjectKey(key)
    if (range) checkByteRange(range)
    // HTTP has no words for no bytes: the size alone answers.
    if (range?.length === 0) return this.#getNothing(key, range)
    return this.#attempts.run({
      name: 'GetObject',
      key,
      call: (signal) => (range ? this.#receiveRange(key, range, signal) : this.#receive(key, signal)),
    })
  }

  async head(key: string): Promise<{ readonly bytes: number } | undefined> {
    checkObjectKey(key)
    try {
      return {
        bytes: await this.#attempts.run({
          name: 'HeadObject',
          key,
          call: (signal) => this.#size(key, signal),
        }),
      }
    } catch (error) {
      if (isFailure(error, 'object-missing')) return undefined
      throw error
    }
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    checkKeyPrefix(prefix)
    let token: string | undefined
    for (let pages = 0; pages < listPagesMax; pages += 1) {
      const from = token
      const call = (signal: AbortSignal) => this.#page(prefix, from, signal)
      const page = await this.#attempts.run({ name: 'ListObjectsV2', key: prefix, call })
      yield* page.objects
      if (page.next === undefined) return
      if (page.next === token) break
      token = page.next
    }
    throw new Failure('store-unavailable', 'the listing has no end', { prefix })
  }

  async delete(key: string): Promise<void> {
    checkObjectKey(key)
    const command = new this.#sdk.DeleteObjectCommand(this.#place(key))
    try {
      await this.#attempts.run({
        name: 'DeleteObject',
        key,
        call: (abortSignal) => this.#client.send(command, { abortSignal }),
      })
    } catch (error) {
      if (!isFailure(error, 'object-missing')) throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy()
  }

  #place(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  async #create(
    key: string,
    object: { readonly body: Uint8Array; readonly sha256: string },
    abortSignal: AbortSignal,
  ): Promise<void> {
    const command = new this.#sdk.PutObjectCommand({
      ...this.#place(key),
      Body: object.body,
      ContentLength: object.body.length,
      ChecksumSHA256: object.sha256,
      IfNoneMatch: '*',
    })
    await this.#client.send(command, { abortSignal })
  }

  /**
   * After a failed creation: true if the object is there with our bytes, false if it may be sent again. Rejects where
   * the service refused, and with `already-exists` where the key holds other bytes.
   */
  async #isStored(key: string, body: Uint8Array, trouble: S3Trouble): Promise<boolean> {
    if (trouble.turn === 'busy') return false
    if (trouble.turn === 'refused' || trouble.turn === 'past-end') throw trouble.failure
    const size = await this.#attempts.attempt({
      name: 'HeadObject',
      key,
      call: (signal) => this.#size(key, signal),
    })
    if (!('result' in size)) return false
    if (size.result !== body.length) throw objectExists(key)
    const call = (signal: AbortSignal) => this.#receive(key, signal)
    const found = await this.#attempts.attempt({ name: 'GetObject', key, call })
    if (!('result' in found)) return false
    if (!Buffer.from(body.buffer, body.byteOffset, body.length).equals(found.result)) throw objectExists(key)
    return true
  }

  async #size(key: string, abortSignal: AbortSignal): Promise<number> {
    const answer = await this.#client.send(new this.#sdk.HeadObjectCommand(this.#place(key)), { abortSignal })
    if (answer.ContentLength === undefined) {
      throw new Failure('store-unavailable', `the answer does not say how large ${key} is`, { key })
    }
    return answer.ContentLength
  }

  async #receive(key: string, abortSignal: AbortSignal): Promise<Uint8Array> {
    const answer = await this.#client.send(new this.#sdk.GetObjectCommand(this.#place(key)), { abortSignal })
    return receiveBody(answer.Body, answer.ContentLength, abortSignal)
  }

  async #receiveRange(key: string, range: ByteRange, abortSignal: AbortSignal): Promise<Uint8Array> {
    const last = range.offset + range.length - 1
    const command = new this.#sdk.GetObjectCommand({
      ...this.#place(key),
      Range: `bytes=${range.offset}-${last}`,
    })
    const answer = await this.#client.send(command, { abortSignal })
    const sent = /^bytes (\d+)-\d+\//.exec(answer.ContentRange ?? '')
    if (Number(sent?.[1]) !== range.offset || (answer.ContentLength ?? 0) > range.length) {
      discardBody(answer.Body)
      throw new Failure('store-unsuitable', 'the object store ignores ranges', { key, step: 'get-range' })
    }
    const bytes = await receiveBody(answer.Body, answer.ContentLength, abortSignal)
    if (bytes.length < range.length) throw rangePastEnd(key, range.offset + bytes.length, range)
    return bytes
  }

  async #getNothing(key: string, range: ByteRange): Promise<Uint8Array> {
    const bytes = await this.#attempts.run({
      name: 'HeadObject',
      key,
      call: (signal) => this.#size(key, signal),
    })
    if (range.offset > bytes) throw rangePastEnd(key, bytes, range)
    return new Uint8Array(0)
  }

  async #page(
    prefix: string,
    token: string | undefined,
    abortSignal: AbortSignal,
  ): Promise<{ readonly objects: StoredObject[]; readonly next: string | undefined }> {
    const command = new this.#sdk.ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: this.#prefix + prefix,
      ...(token === undefined ? {} : { ContinuationToken: token }),
    })
    const answer = await this.#client.send(command, { abortSignal })
    const objects: StoredObject[] = []
    for (const { Key: name, Size: bytes, LastModified: modified } of answer.Contents ?? []) {
      const key = name?.startsWith(this.#prefix) ? name.slice(this.#prefix.length) : ''
      if (bytes === undefined || !modified || !key.split('/').every(isKeyPart)) continue
      objects.push({ key, bytes, modifiedAt: modified.getTime() })
    }
    if (!answer.IsTruncated) return { objects, next: undefined }
    if (!answer.NextContinuationToken) {
      throw new Failure('store-unavailable', 'a part of the listing does not say where the next begins', {
        prefix,
      })
    }
    return { objects, next: answer.NextContinuationToken }
  }
}

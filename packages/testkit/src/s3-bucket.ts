import { hash } from 'node:crypto'
import { escapeXml, headerOf, type S3Answer, type S3Call, s3Error, xmlAnswer } from './s3-wire.ts'

/** What a request asks for; `other` is answered with 501. */
export type S3RequestKind = 'put' | 'get' | 'head' | 'delete' | 'list' | 'other'

export interface S3BucketOptions {
  /** Keys on one page of a listing. */
  readonly pageKeysMax: number
  /** Overwrites whatever the precondition says, as many services do. */
  readonly ignoresIfNoneMatch: boolean
  readonly now: () => number
}

interface S3Object {
  readonly bytes: Buffer
  readonly etag: string
  readonly modifiedAt: number
}

/** The names that the query of each request may have; anything else is a feature that this double lacks. */
const queryNames: Readonly<Record<S3RequestKind, readonly string[]>> = {
  put: ['x-id'],
  get: ['x-id'],
  head: [],
  delete: ['x-id'],
  list: ['list-type', 'prefix', 'continuation-token', 'max-keys'],
  other: [],
}

export function kindOfS3Call(call: S3Call): S3RequestKind {
  const kind = call.key === '' ? kindOfBucketCall(call) : kindOfObjectCall(call)
  return [...call.query.keys()].every((name) => queryNames[kind].includes(name)) ? kind : 'other'
}

function kindOfBucketCall(call: S3Call): S3RequestKind {
  return call.method === 'GET' && call.query.get('list-type') === '2' ? 'list' : 'other'
}

function kindOfObjectCall(call: S3Call): S3RequestKind {
  switch (call.method) {
    case 'PUT':
      return 'put'
    case 'GET':
      return 'get'
    case 'HEAD':
      return 'head'
    case 'DELETE':
      return 'delete'
    default:
      return 'other'
  }
}

/** The objects of one bucket, and the answers to requests for them. */
export class S3Bucket {
  readonly objects = new Map<string, S3Object>()
  readonly #options: S3BucketOptions

  constructor(options: S3BucketOptions) {
    this.#options = options
  }

  answer(kind: S3RequestKind, call: S3Call): S3Answer {
    switch (kind) {
      case 'put':
        return this.#put(call)
      case 'get':
        return this.#get(call)
      case 'head':
        return this.#head(call)
      case 'delete':
        this.objects.delete(call.key)
        return { status: 204 }
      case 'list':
        return this.#list(call)
      case 'other':
        return s3Error(501, 'NotImplemented')
    }
  }

  #put(call: S3Call): S3Answer {
    if (Number(headerOf(call, 'content-length') ?? -1) !== call.body.length)
      return s3Error(411, 'MissingContentLength')
    const encoding = headerOf(call, 'content-encoding')
    if (encoding !== undefined && encoding !== '') return s3Error(501, 'NotImplemented')
    const sha256 = headerOf(call, 'x-amz-checksum-sha256')
    if (sha256 === undefined) return s3Error(400, 'InvalidRequest')
    if (sha256 !== hash('sha256', call.body, 'base64')) return s3Error(400, 'BadDigest')
    const condition = headerOf(call, 'if-none-match')
    if (condition !== undefined && condition !== '*') return s3Error(501, 'NotImplemented')
    if (condition === '*' && !this.#options.ignoresIfNoneMatch && this.objects.has(call.key)) {
      return s3Error(412, 'PreconditionFailed')
    }
    const etag = `"${hash('md5', call.body)}"`
    this.objects.set(call.key, { bytes: call.body, etag, modifiedAt: this.#options.now() })
    return { status: 200, headers: { etag } }
  }

  #head(call: S3Call): S3Answer {
    const object = this.objects.get(call.key)
    if (!object) return { status: 404 }
    return { status: 200, headers: { ...headersOf(object), 'content-length': String(object.bytes.length) } }
  }

  #get(call: S3Call): S3Answer {
    const object = this.objects.get(call.key)
    if (!object) return s3Error(404, 'NoSuchKey')
    const range = headerOf(call, 'range')
    if (range === undefined) return { status: 200, headers: headersOf(object), body: object.bytes }
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? []
    if (first === undefined || Number(first) > Number(last)) return s3Error(501, 'NotImplemented')
    const total = object.bytes.length
    if (Number(first) >= total) return s3Error(416, 'InvalidRange')
    const body = object.bytes.subarray(Number(first), Number(last) + 1)
    const sent = `bytes ${first}-${Number(first) + body.length - 1}/${total}`
    return { status: 206, headers: { ...headersOf(object), 'content-range': sent }, body }
  }

  #list(call: S3Call): S3Answer {
    const prefix = call.query.get('prefix') ?? ''
    const after = Buffer.from(call.query.get('continuation-token') ?? '', 'base64url').toString()
    const asked = Number(call.query.get('max-keys') ?? this.#options.pageKeysMax)
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const page = keys.slice(0, Math.min(asked, this.#options.pageKeysMax))
    const more = page.length < keys.length
    const token = Buffer.from(page.at(-1) ?? '').toString('base64url')
    const next = more ? `<NextContinuationToken>${token}</NextContinuationToken>` : ''
    const contents = page.map((key) => contentsOf(key, this.objects.get(key))).join('')
    return xmlAnswer(
      200,
      `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Prefix>${escapeXml(prefix)}</Prefix>` +
        `<KeyCount>${page.length}</KeyCount><IsTruncated>${more}</IsTruncated>${contents}${next}</ListBucketResult>`,
    )
  }
}

function contentsOf(key: string, object: S3Object | undefined): string {
  if (!object) return ''
  const modified = new Date(object.modifiedAt).toISOString()
  return (
    `<Contents><Key>${escapeXml(key)}</Key><LastModified>${modified}</LastModified>` +
    `<ETag>${escapeXml(object.etag)}</ETag><Size>${object.bytes.length}</Size></Contents>`
  )
}

function headersOf(object: S3Object): Record<string, string> {
  return {
    etag: object.etag,
    'last-modified': new Date(object.modifiedAt).toUTCString(),
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
  }
}

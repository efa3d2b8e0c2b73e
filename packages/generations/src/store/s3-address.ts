import { Failure } from '@holdfast/base/failure'

/** Where the objects lie in an S3 service. Contains no secret. */
export interface S3Address {
  readonly bucket: string
  /** Put before each key with a slash between; empty for none. */
  readonly prefix: string
  /** The service's URL; undefined for that of AWS in `region`. */
  readonly endpoint: string | undefined
  readonly region: string
  /** `http://host/bucket/key` where true, `http://bucket.host/key` where false. */
  readonly pathStyle: boolean
}

const shape = 's3://BUCKET[/PREFIX][?endpoint=URL&region=NAME&path_style=true|false]'
const regionDefault = 'us-east-1'
const addressBytesMax = 2048

/**
 * Reads `s3://bucket/prefix?endpoint=…&region=…&path_style=…`. The region defaults to `us-east-1`; path style is on
 * where an endpoint is named. Rejects with `invalid-argument`, without repeating the text, which may hold a password
 * that does not belong there.
 */
export function parseS3Address(text: string): S3Address {
  const url = text.length <= addressBytesMax && URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 's3:') throw refusal(`an S3 address has the shape ${shape}`)
  if (url.username !== '' || url.password !== '') throw refusal('credentials do not belong in an S3 address')
  if (url.port !== '' || url.hash !== '') throw refusal(`an S3 address has the shape ${shape}`)
  const settings = readSettings(url.searchParams)
  return {
    bucket: matching(url.hostname, /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/, 'bucket'),
    prefix: readPrefix(url.pathname),
    ...settings,
  }
}

/** The address as a person would type it; `parseS3Address` reads it back. */
export function formatS3Address(address: S3Address): string {
  const query = new URLSearchParams()
  if (address.endpoint !== undefined) query.set('endpoint', address.endpoint)
  query.set('region', address.region)
  query.set('path_style', String(address.pathStyle))
  const path = address.prefix === '' ? '' : `/${address.prefix}`
  return `s3://${address.bucket}${path}?${query.toString().replaceAll('%3A', ':').replaceAll('%2F', '/')}`
}

function readSettings(query: URLSearchParams): Pick<S3Address, 'endpoint' | 'region' | 'pathStyle'> {
  const known = ['endpoint', 'region', 'path_style']
  for (const name of new Set(query.keys())) {
    if (!known.includes(name)) throw refusal(`an S3 address has no such setting; it has ${known.join(', ')}`)
    if (query.getAll(name).length > 1) throw refusal(`the setting ${name} of an S3 address appears twice`)
  }
  const endpoint = readEndpoint(query.get('endpoint'))
  const pathStyle = query.get('path_style') ?? String(endpoint !== undefined)
  return {
    endpoint,
    region: matching(query.get('region') ?? regionDefault, /^[A-Za-z0-9-]{1,64}$/, 'region'),
    pathStyle: matching(pathStyle, /^(?:true|false)$/, 'path_style') === 'true',
  }
}

function readEndpoint(text: string | null): string | undefined {
  if (text === null) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw refusal('an S3 endpoint is an http or https URL')
  if (url.username !== '' || url.password !== '') throw refusal('credentials do not belong in an S3 address')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw refusal('an S3 endpoint has no path, query or fragment')
  }
  return url.origin
}

function readPrefix(path: string): string {
  const prefix = path.replace(/^\//, '').replace(/\/$/, '')
  const plain = prefix === '' || prefix.split('/').every((part) => /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/.test(part))
  if (!plain || prefix.length > 512)
    throw refusal('the prefix of an S3 address has parts of A-Z a-z 0-9 . _ -')
  return prefix
}

function matching(value: string, pattern: RegExp, name: string): string {
  if (!pattern.test(value)) throw refusal(`the ${name} of an S3 address has a wrong shape: ${shape}`)
  return value
}

function refusal(message: string): Failure {
  return new Failure('invalid-argument', message, { shape })
}

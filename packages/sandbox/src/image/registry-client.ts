import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Failure } from '@holdfast/base/failure'
import type { Response } from 'undici'
import { z } from 'zod'
import { ACCEPTED_TYPES, type Descriptor } from './image-manifest.ts'
import { DIGEST, type ImageReference, mayFetch } from './image-reference.ts'
import type { RegistryAccess } from './registry-access.ts'

/** Manifests and configurations. */
const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024
const ANSWER_MS_MAX = 30_000
const BLOB_MS_MAX = 3_600_000
const REDIRECTS_MAX = 5
const TOKEN_BYTES_MAX = 64 * 1024
const Token = z.object({ token: z.string().optional(), access_token: z.string().optional() })

/** Reads one repository of a registry (OCI distribution specification 1.1). What it returns has the digest it was asked for. */
export class RegistryClient {
  readonly #reference: ImageReference
  readonly #access: Pick<RegistryAccess, 'get'>
  #token: string | undefined

  constructor(reference: ImageReference, access: Pick<RegistryAccess, 'get'>) {
    this.#reference = reference
    this.#access = access
  }

  /** By tag or digest. Rejects with `not-found`, `image-unavailable`, `image-refused`. */
  async manifest(version: string): Promise<{ readonly bytes: Uint8Array; readonly digest: string }> {
    const answer = await this.#get(`manifests/${version}`, ANSWER_MS_MAX)
    const bytes = await readBounded(answer, DOCUMENT_BYTES_MAX)
    const digest = digestOf(bytes)
    if (DIGEST.test(version) && digest !== version) throw mismatch(version)
    return { bytes, digest }
  }

  /** A small blob. Rejects as `manifest`. */
  async document({ digest }: Descriptor): Promise<Uint8Array> {
    const answer = await this.#get(`blobs/${digest}`, ANSWER_MS_MAX)
    const bytes = await readBounded(answer, DOCUMENT_BYTES_MAX)
    if (digestOf(bytes) !== digest) throw mismatch(digest)
    return bytes
  }

  /** A blob, whole and checked when it resolves. Rejects as `manifest`. */
  async download({ digest, size }: Descriptor, path: string): Promise<void> {
    const answer = await this.#get(`blobs/${digest}`, BLOB_MS_MAX)
    const hash = createHash('sha256')
    let bytes = 0
    const check = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length
        hash.update(chunk)
        done(bytes > size ? mismatch(digest) : null, chunk)
      },
    })
    try {
      await pipeline(bodyOf(answer), check, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
    } catch (error) {
      if (error instanceof Failure) throw error
      throw unavailable(this.#reference.origin, error)
    }
    if (bytes !== size || `sha256:${hash.digest('hex')}` !== digest) throw mismatch(digest)
  }

  async #get(path: string, timeoutMs: number): Promise<Response> {
    const { origin, repository } = this.#reference
    const url = new URL(`/v2/${repository}/${path}`, origin)
    const first = await this.#follow(url, timeoutMs)
    if (first.status !== 401) return expectOk(first, url)
    await first.body?.cancel()
    this.#token = await this.#fetchToken(first.headers.get('www-authenticate') ?? '')
    return expectOk(await this.#follow(url, timeoutMs), url)
  }

  /** The token goes to the registry alone, wherever that sends us. */
  async #follow(from: URL, timeoutMs: number): Promise<Response> {
    let url = from
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      if (!mayFetch(url, this.#reference.origin))
        throw new Failure(
          'image-refused',
          `the registry sends to ${url.protocol}//${url.host}, which is not safe`,
        )
      const isRegistry = url.origin === from.origin
      const headers: Record<string, string> = { accept: ACCEPTED_TYPES.join(', ') }
      if (isRegistry && this.#token !== undefined) headers.authorization = `Bearer ${this.#token}`
      const answer = await this.#ask(url, headers, timeoutMs)
      const location = answer.headers.get('location')
      if (answer.status < 300 || answer.status >= 400 || location === null) return answer
      await answer.body?.cancel()
      url = new URL(location, url)
    }
    throw new Failure('image-refused', `${from.host} sends round in circles`)
  }

  async #fetchToken(challenge: string): Promise<string> {
    const { origin, repository } = this.#reference
    const word = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1]
    const realm = word('realm')
    if (!/^bearer /i.test(challenge) || realm === undefined || !URL.canParse(realm))
      throw new Failure('image-refused', `${origin} wants a sign-in that is not supported`)
    const url = new URL(realm)
    if (!mayFetch(url, origin)) throw new Failure('image-refused', `${origin} wants a token from ${url.host}`)
    const service = word('service')
    if (service !== undefined) url.searchParams.set('service', service)
    url.searchParams.set('scope', `repository:${repository}:pull`)
    const answer = expectOk(await this.#ask(url, {}, ANSWER_MS_MAX), url)
    const bytes = await readBounded(answer, TOKEN_BYTES_MAX)
    const found = Token.safeParse(parseJson(bytes)).data
    const token = found?.token ?? found?.access_token
    if (token === undefined) throw new Failure('image-refused', `${url.host} gives no token`)
    return token
  }

  async #ask(url: URL, headers: Record<string, string>, timeoutMs: number): Promise<Response> {
    try {
      return await this.#access.get(url, headers, timeoutMs)
    } catch (error) {
      if (error instanceof Failure) throw error
      throw unavailable(url.origin, error)
    }
  }
}

function expectOk(answer: Response, url: URL): Response {
  const { status } = answer
  if (status === 200) return answer
  void answer.body?.cancel()
  if (status === 404) throw new Failure('not-found', `${url.host} has no ${url.pathname}`)
  if (status >= 500 || status === 429) throw unavailable(url.origin, new Error(`status ${status}`))
  throw new Failure('image-refused', `${url.host} answers ${status} for ${url.pathname}`, { status })
}

function bodyOf(answer: Response): Readable {
  return Readable.from(answer.body ?? [])
}

async function readBounded(answer: Response, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const part of bodyOf(answer)) {
      bytes += part.length
      if (bytes > bytesMax) throw new Failure('image-refused', 'what the registry sends has no end')
      parts.push(part)
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    throw unavailable(answer.url, error)
  }
  return Buffer.concat(parts)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function mismatch(digest: string): Failure {
  return new Failure('image-refused', `the registry sends other bytes than ${digest}`, { digest })
}

function unavailable(origin: string, cause: unknown): Failure {
  return new Failure('image-unavailable', `the registry ${origin} does not answer`, { origin }, cause)
}

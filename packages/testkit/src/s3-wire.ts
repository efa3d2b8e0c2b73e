import type { IncomingMessage } from 'node:http'

/** One request to an S3 service, its path taken apart. */
export interface S3Call {
  readonly method: string
  /** Undecoded, as signed. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  /** Empty until `receiveS3Body` has it. */
  readonly body: Buffer
  readonly bucket: string
  readonly key: string
}

export interface S3Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
}

const bodyBytesMax = 256 * 1024 * 1024

/** Receives the body; undefined if the client went away, or as soon as it is longer than `bytesMax`. */
export async function receiveS3Body(
  request: IncomingMessage,
  bytesMax = bodyBytesMax,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request) {
      if (!Buffer.isBuffer(chunk) || bytes + chunk.length > bytesMax) return undefined
      bytes += chunk.length
      chunks.push(chunk)
    }
  } catch {
    return undefined
  }
  return Buffer.concat(chunks)
}

/** What is known of a request before its body. */
export function readS3Call(request: IncomingMessage): S3Call {
  const [path = '/', query = ''] = (request.url ?? '/').split('?')
  const [bucket = '', ...key] = decodeURIComponent(path).slice(1).split('/')
  return {
    method: request.method ?? '',
    path,
    query: new URLSearchParams(query),
    headers: request.headers,
    body: Buffer.alloc(0),
    bucket,
    key: key.join('/'),
  }
}

/** A header that appears at most once. */
export function headerOf(call: S3Call, name: string): string | undefined {
  const value = call.headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

export function s3Error(status: number, code: string): S3Answer {
  return xmlAnswer(status, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`)
}

export function xmlAnswer(status: number, xml: string): S3Answer {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`)
  return { status, headers: { 'content-type': 'application/xml' }, body }
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

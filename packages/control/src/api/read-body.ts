import type { IncomingMessage } from 'node:http'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'

const BODY_BYTES_MAX = 1 << 20
/** A document is small: one that takes longer is sent to hold up its place. */
const BODY_MS_MAX = 10_000
const DEPTH_MAX = 32
const ITEMS_MAX = 10_000

/** The text of a body. Rejects with `too-large`, and with `invalid-argument` for one that does not come to its end. */
export async function readText(incoming: IncomingMessage, clock: Clock): Promise<string> {
  if (Number(incoming.headers['content-length'] ?? 0) > BODY_BYTES_MAX) throw tooLarge()
  const over = new AbortController()
  const late = clock.sleep(BODY_MS_MAX, over.signal).then(() => {
    throw new Failure('invalid-argument', `the body did not come within ${BODY_MS_MAX} ms`)
  })
  try {
    return await Promise.race([collect(incoming), late])
  } finally {
    over.abort(null)
    late.catch(() => {}) // cut short once the body was there
  }
}

async function collect(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of incoming) {
    bytes += part.length
    if (bytes > BODY_BYTES_MAX) throw tooLarge()
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

/** An empty body is an empty document. Rejects with `invalid-argument`, and with `too-large` what is nested too deep. */
export function parseBody(text: string, contentType: string | undefined): unknown {
  if (text === '') return {}
  if (!/^application\/json\s*(;|$)/i.test(contentType ?? ''))
    throw new Failure('invalid-argument', 'the body must be application/json', { argument: 'content-type' })
  const document = parsed(text)
  checkSize(document, 0)
  return document
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Failure('invalid-argument', 'the body is no JSON document', {}, error)
  }
}

function checkSize(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return
  if (depth >= DEPTH_MAX) throw new Failure('too-large', `a body is nested at most ${DEPTH_MAX} deep`)
  const items = Array.isArray(value) ? value : Object.values(value)
  if (items.length > ITEMS_MAX) throw new Failure('too-large', `a list has at most ${ITEMS_MAX} items`)
  for (const item of items) checkSize(item, depth + 1)
}

function tooLarge(): Failure {
  return new Failure('too-large', `a body has at most ${BODY_BYTES_MAX} bytes`, { bytes_max: BODY_BYTES_MAX })
}

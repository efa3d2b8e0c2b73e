import type { IncomingMessage, ServerResponse } from 'node:http'
import { isFailure } from '@holdfast/base/failure'
import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import { acceptsHtml } from './visitor.ts'

const RETRY_SECONDS = 2

/** What a stranger may hear: it says nothing of hosts, addresses, or whether a workspace exists. */
const SENTENCES = {
  'not-found': 'Nothing is served here, or this link does not open it.',
  unauthenticated: 'This link has expired.',
  forbidden: 'A page of another origin began this request.',
  misdirected: 'This name is not served here.',
  'invalid-argument': 'This request cannot be forwarded as it is.',
  'port-unreachable': 'The app does not answer on this port.',
  'host-unreachable': 'The workspace cannot be reached just now.',
  'sandbox-gone': 'The workspace does not run just now.',
  'too-many-requests': 'Too many requests to this workspace are open.',
  'timed-out': 'The app took too long to answer.',
  'too-large': 'The address of this request is too long.',
  'invalid-state': 'The workspace does not run, and cannot be resumed as it is.',
  internal: 'This request could not be served.',
} as const satisfies Partial<Record<FailureCode, string>>
type PublicCode = keyof typeof SENTENCES
const HINTS: Partial<Record<PublicCode, string>> = {
  'not-found': 'check the address, or ask the owner of the workspace for a link',
  unauthenticated: 'ask the owner of the workspace for a new link',
  forbidden: 'open the app itself, and begin there',
  'invalid-argument': 'send it as one plain HTTP/1.1 request',
  'too-large': 'send less in the address',
  'invalid-state': 'ask the owner of the workspace',
  'sandbox-gone': 'try again in a moment',
}

interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: string
}

/** The answer to who is not served: the same bytes for the same code, as a page for browsers and as JSON for others. */
function refusalOf(error: unknown, isForBrowser: boolean): Refusal {
  const code = publicCode(error)
  const row = FAILURES[code]
  const message = SENTENCES[code]
  const hint = HINTS[code] ?? row.hint
  const retryable = row.kind === 'unavailable'
  const body = isForBrowser
    ? page(row.http, message, `${code}: ${hint}`)
    : `${JSON.stringify({ error: { code: code.replaceAll('-', '_'), message, hint, retryable } })}\n`
  return {
    status: row.http,
    body,
    headers: {
      'content-type': isForBrowser ? 'text/html; charset=utf-8' : 'application/json',
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'holdfast-error': code.replaceAll('-', '_'),
      ...(retryable ? { 'retry-after': RETRY_SECONDS } : {}),
    },
  }
}

/** Ends the response with the refusal; cuts the connection if its own answer had begun. */
export function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, headers, body } = refusalOf(error, acceptsHtml(request.headers))
  response.writeHead(status, {
    ...headers,
    ...(request.complete && status !== 400 ? {} : { connection: 'close' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** An epoch that is over is no news for a visitor, and why there is no room for a workspace is none of their concern. */
function publicCode(error: unknown): PublicCode {
  if (!isFailure(error)) return 'internal'
  if (isPublic(error.code)) return error.code
  return error.kind === 'fenced' || error.retryable ? 'sandbox-gone' : 'internal'
}

function isPublic(code: FailureCode): code is PublicCode {
  return Object.hasOwn(SENTENCES, code)
}

function page(status: number, message: string, hint: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${status}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:20vh auto;max-width:36rem;padding:0 1rem}small{color:#666}</style>
<h1>${escapeHtml(message)}</h1>
<p>${escapeHtml(hint)}</p>
<small>Holdfast, ${status}</small>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

import { pipeline } from 'node:stream/promises'
import type { HostLink } from '../../ports/host-links.ts'
import type { Wire } from '../route.ts'

const PASSED_BACK = ['content-length', 'content-range', 'accept-ranges'] as const

type Opened = Awaited<ReturnType<HostLink['stream']>>

/** Hands on the bytes of a host. They are a guest's: a browser makes nothing of them but a download. */
export async function sendBytes({ outgoing }: Wire, answer: Opened, contentType: string): Promise<void> {
  const headers = PASSED_BACK.flatMap((name) => {
    const value = answer.headers[name]
    return value === undefined ? [] : [[name, String(value)] as const]
  })
  outgoing.writeHead(answer.statusCode, {
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
    ...Object.fromEntries(headers),
    'content-type': contentType,
  })
  await pipeline(answer.body, outgoing)
}

export function sendJson({ outgoing }: Wire, status: number, document: unknown): void {
  const text = JSON.stringify(document)
  outgoing.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  outgoing.end(text)
}

/** What the client stands on: the globals of a browser and of Node alike. Tests pass their own. */
export interface ClientGround {
  readonly fetch: typeof globalThis.fetch
  /** Opens a WebSocket that carries the key. */
  readonly openSocket: (url: string, apiKey: string) => WebSocket
  /** Rejects with the reason of the signal when that is raised. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  /** From 0 to 1. */
  readonly random: () => number
  /** A key that no other request has. */
  readonly newKey: () => string
}

const KEY_BYTES = 16

export const platformGround: ClientGround = {
  fetch: (...request) => globalThis.fetch(...request),
  openSocket,
  sleep,
  random: () => (randomBytes(1)[0] ?? 0) / 256,
  newKey: () => Array.from(randomBytes(KEY_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(''),
}

function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count))
}

/** A browser cannot set headers on a WebSocket: there the key travels as a subprotocol. */
function openSocket(url: string, apiKey: string): WebSocket {
  if (globalThis.process?.versions?.node === undefined)
    return new WebSocket(url, ['holdfast', `holdfast-key.${apiKey}`])
  const options = { headers: { authorization: `Bearer ${apiKey}` } }
  return new (WebSocket as SocketWithHeaders)(url, options)
}

/** What Node, Bun and Deno take beyond the standard. */
type SocketWithHeaders = new (
  url: string,
  options: { readonly headers: Readonly<Record<string, string>> },
) => WebSocket

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const stop = () => {
      globalThis.clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = globalThis.setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
}

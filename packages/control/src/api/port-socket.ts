import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { failureToWire } from '@holdfast/base/failure'
import { ENDED_CLOSE, PORT_UNREACHABLE_CLOSE } from '@holdfast/protocol/rest/socket-close'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import type { UpgradeWire } from './route.ts'

const FRAME_BYTES_MAX = 1 << 20
/** What a browser offers beside its key. */
const PROTOCOL = 'holdfast'
const REASON_CHARACTERS_MAX = 100

/** Speaks WebSocket with the caller, and hands its bytes on to the connection that `open` makes, until either ends. */
export async function serveSocket(wire: UpgradeWire, open: () => Promise<Duplex>): Promise<void> {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: FRAME_BYTES_MAX,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  })
  const caller = await new Promise<WebSocket>((resolve) =>
    server.handleUpgrade(wire.incoming, wire.socket, wire.head, resolve),
  )
  let inside: Duplex
  try {
    inside = await open()
  } catch (error) {
    const { code } = failureToWire(error)
    caller.close(PORT_UNREACHABLE_CLOSE, code.slice(0, REASON_CHARACTERS_MAX))
    return
  }
  const bytes = createWebSocketStream(caller)
  // Either side may break off: then both are closed, and nobody else hears of it.
  await Promise.allSettled([pipeline(inside, bytes), pipeline(bytes, inside)])
  caller.close(ENDED_CLOSE)
}
